//! Which bytes of a checkpoint a sender still has to send, cut into parts: a pure function of the header and of what is stored.
//!
//! A part never changes its number or its range, so a sender may keep the list; what turns out to be missing later is added at
//! the end. The parts of a plan never overlap, and each tensor lies wholly in parts or wholly outside of them.

use std::ops::Range;

use super::{Header, TensorEntry};
use crate::digest::Digest;

/// Most bytes of a part: a lost connection costs no more than this, and a request little beside it.
pub const PART_BYTES_MAX: u64 = 8 << 20;

/// Stored tensors of together fewer bytes that lie between missing ones are sent with them: a part more costs more.
const GAP_BYTES_MAX: u64 = 64 << 10;

/// The parts of an upload, each a range of bytes of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadPlan {
    parts: Vec<Range<u64>>,
}

impl UploadPlan {
    /// Plans the sending of all tensors that are not stored; `stored` has one flag a tensor, in the order of the header.
    #[must_use]
    pub fn new(header: &Header, stored: &[bool]) -> Self {
        let mut plan = Self::default();
        plan.extend(header, stored);
        plan
    }

    /// Adds parts for tensors that are neither stored nor in a part yet; `false` when there are none.
    pub fn extend(&mut self, header: &Header, stored: &[bool]) -> bool {
        let planned = self.covered(header);
        let before = self.parts.len();
        let mut run: Option<Range<u64>> = None;
        for (at, tensor) in header.tensors.iter().enumerate() {
            let range = range_in_file(header, tensor);
            let is_stored = stored.get(at).copied().unwrap_or(false);
            if range.is_empty() {
                continue;
            }
            if planned.get(at).copied().unwrap_or(false) {
                self.cut(run.take());
            } else if !is_stored {
                match &mut run {
                    Some(open) if range.start - open.end < GAP_BYTES_MAX => open.end = range.end,
                    _ => {
                        self.cut(run.take());
                        run = Some(range);
                    }
                }
            }
        }
        self.cut(run);
        self.parts.len() > before
    }

    fn cut(&mut self, run: Option<Range<u64>>) {
        let Some(run) = run else { return };
        let mut begin = run.start;
        while begin < run.end {
            let end = run.end.min(begin + PART_BYTES_MAX);
            self.parts.push(begin..end);
            begin = end;
        }
    }

    /// The parts by number, each a range of bytes of the file.
    #[must_use]
    pub fn parts(&self) -> &[Range<u64>] {
        &self.parts
    }

    /// Bytes of all parts.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.end - part.start).sum()
    }

    /// For each tensor, in the order of the header, whether the parts hold its bytes.
    #[must_use]
    pub fn covered(&self, header: &Header) -> Vec<bool> {
        let mut begins: Vec<&Range<u64>> = self.parts.iter().collect();
        begins.sort_by_key(|part| part.start);
        let is_covered = |tensor: &TensorEntry| {
            let range = range_in_file(header, tensor);
            let after = begins.partition_point(|part| part.start <= range.start);
            let last = after.checked_sub(1).and_then(|at| begins.get(at));
            !range.is_empty() && last.is_some_and(|part| range.start < part.end)
        };
        header.tensors.iter().map(is_covered).collect()
    }

    /// The bytes that are kept: first and last byte of each part as u64, little endian, and the SHA-256 of that.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let numbers = self.parts.iter().flat_map(|part| [part.start, part.end]);
        let mut bytes: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
        let check = Digest::of(&bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }

    /// Reads what [`Self::encode`] wrote; none if these are not its bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, check) = bytes.split_last_chunk::<32>()?;
        if Digest::of(body).as_bytes() != check || body.len() % 16 != 0 {
            return None;
        }
        let part = |pair: &[u8]| {
            let (begin, rest) = pair.split_first_chunk::<8>()?;
            let end = u64::from_le_bytes(*rest.first_chunk()?);
            Some(u64::from_le_bytes(*begin)..end)
        };
        body.chunks_exact(16).map(part).collect::<Option<_>>().map(|parts| Self { parts })
    }
}

/// Where a tensor's bytes lie, counted from the first byte of the file.
#[must_use]
pub fn range_in_file(header: &Header, tensor: &TensorEntry) -> Range<u64> {
    header.data_offset() + tensor.begin..header.data_offset() + tensor.end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(sizes: &[u64]) -> Header {
        let mut at = 0;
        let entry = |(index, bytes): (usize, &u64)| {
            let begin = at;
            at += bytes;
            format!(
                r#""t{index}":{{"dtype":"U8","shape":[{bytes}],"data_offsets":[{begin},{at}]}}"#
            )
        };
        let entries: Vec<String> = sizes.iter().enumerate().map(entry).collect();
        Header::parse_json(format!("{{{}}}", entries.join(",")).as_bytes()).unwrap()
    }

    /// Proves that large runs are cut, that a small gap is sent along and a large one is not, and that a lost tensor comes last.
    #[test]
    fn runs_gaps_and_losses() {
        let header = header(&[20 << 20, 100, 5, 1 << 20, 7]);
        let offset = header.data_offset();
        let mut plan = UploadPlan::new(&header, &[false, true, false, true, false]);
        let lengths: Vec<u64> = plan.parts().iter().map(|p| p.end - p.start).collect();
        assert_eq!(lengths, [8 << 20, 8 << 20, (4 << 20) + 105, 7]);
        assert_eq!(plan.parts()[0].start, offset);
        assert_eq!(plan.covered(&header), [true, true, true, false, true]);
        let before = plan.parts().to_vec();
        assert!(!plan.extend(&header, &[false, true, false, true, false]));
        assert!(plan.extend(&header, &[false; 5]));
        assert_eq!(plan.parts()[..4], before, "a part changed");
        assert_eq!(plan.parts()[4].end - plan.parts()[4].start, 1 << 20);
        assert_eq!(UploadPlan::decode(&plan.encode()), Some(plan.clone()));
        let mut torn = plan.encode();
        torn.truncate(torn.len() - 16);
        assert_eq!(UploadPlan::decode(&torn), None);
    }

    proptest! {
        /// Proves that parts never overlap, hold every missing tensor whole, and cut no stored one in two.
        #[test]
        fn parts_are_whole_tensors(
            tensors in prop::collection::vec((0u64..200_000, any::<bool>(), any::<bool>()), 0..40),
        ) {
            let sizes: Vec<u64> = tensors.iter().map(|t| t.0).collect();
            let first: Vec<bool> = tensors.iter().map(|t| t.1).collect();
            let later: Vec<bool> = tensors.iter().map(|t| t.1 && t.2).collect();
            let header = header(&sizes);
            let mut plan = UploadPlan::new(&header, &first);
            plan.extend(&header, &later);
            let mut times = vec![0u8; header.file_bytes() as usize];
            for part in plan.parts() {
                prop_assert!(part.start < part.end && part.end - part.start <= PART_BYTES_MAX);
                times[part.start as usize..part.end as usize].iter_mut().for_each(|t| *t += 1);
            }
            prop_assert!(times.iter().all(|t| *t <= 1), "two parts overlap");
            prop_assert!(times[..header.data_offset() as usize].iter().all(|t| *t == 0));
            for ((tensor, stored), covered) in header.tensors.iter().zip(&later).zip(plan.covered(&header)) {
                let range = range_in_file(&header, tensor);
                let of_it = &times[range.start as usize..range.end as usize];
                prop_assert!(of_it.iter().all(|t| *t == u8::from(covered)));
                prop_assert!(covered || *stored || range.is_empty());
            }
        }
    }
}
