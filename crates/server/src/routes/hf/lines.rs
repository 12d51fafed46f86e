//! Lines of a body, one at a time, so that a commit of many files never lies in memory whole.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};

/// Why a line did not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// The line is too long.
    #[error("a line of the commit has more than {0} bytes; send files above 32 MiB by LFS")]
    TooLong(usize),
    /// The sender broke off.
    #[error("transfer broke off: {0}")]
    Broken(String),
}

/// Takes a stream apart at its line feeds.
pub(super) struct Lines<S> {
    stream: S,
    rest: BytesMut,
    bytes_max: usize,
}

impl<S, E> Lines<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    pub(super) fn new(stream: S, bytes_max: usize) -> Self {
        Self { stream, rest: BytesMut::new(), bytes_max }
    }

    /// The next line without its line feed; an empty line counts as none.
    ///
    /// # Errors
    /// See [`LineError`].
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, LineError> {
        let mut looked_at = 0;
        loop {
            if let Some(at) = self.rest[looked_at..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.rest.split_to(looked_at + at + 1);
                line.truncate(line.len() - 1);
                looked_at = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(Some(line.freeze()));
            }
            looked_at = self.rest.len();
            if looked_at > self.bytes_max {
                return Err(LineError::TooLong(self.bytes_max));
            }
            match self.stream.next().await {
                Some(Ok(piece)) => self.rest.extend_from_slice(&piece),
                Some(Err(error)) => return Err(LineError::Broken(error.to_string())),
                None if self.rest.trim_ascii().is_empty() => return Ok(None),
                None => return Ok(Some(self.rest.split().freeze())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that lines do not depend on how the body is cut, that the last needs no line feed, and that the limit holds.
    #[tokio::test]
    async fn cuts_and_limit() {
        let text = b"one\n\ntwo and more\nthree";
        for piece in 1..=text.len() {
            let pieces = text.chunks(piece).map(|c| Ok::<_, String>(Bytes::copy_from_slice(c)));
            let mut lines = Lines::new(futures::stream::iter(pieces), 100);
            let mut found = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                found.push(String::from_utf8(line.to_vec()).unwrap());
            }
            assert_eq!(found, ["one", "two and more", "three"], "pieces of {piece}");
        }
        let long = futures::stream::iter([Ok::<_, String>(Bytes::from_static(b"0123456789"))]);
        assert!(matches!(Lines::new(long, 5).next().await, Err(LineError::TooLong(5))));
    }
}
