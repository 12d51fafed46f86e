//! Several evaluators: who is drawn, how their reports become one price, and what becomes of their weight (EVALUATION 5.6, 6).
//!
//! All of it is a pure function of rows that everybody can read after the reveal, so that anybody can draw and count again.

use crate::digest::Digest;

use super::{
    acceptance::{Agreed, Consensus, Quorum, Vote, consensus, ln_of},
    attestation::PublicKey,
    params::PARAMS,
};

/// α of the moving average of deviations (EVALUATION 6).
pub const DEVIATION_ALPHA: f64 = 0.1;
/// Deviations count up to this many scales, so that one slip of a digit is forgiven and a habit is not.
pub const DEVIATION_MAX: f64 = 7.0;
/// Mean deviation up to which an evaluator has its full weight: what honest noise gives.
pub const DEVIATION_FREE: f64 = 1.0;
/// An evaluator that missed this many …
pub const MISSES_MAX: usize = 3;
/// … of its last rounds, this many at most, is drawn no more.
pub const MISSES_WINDOW: usize = 5;
/// A known answer must be met within this many σ (EVALUATION 6).
pub const TRAP_SIGMAS: f64 = 3.0;

/// Somebody who can be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its key, which is its identity.
    pub key: PublicKey,
    /// The login that answers for it.
    pub owner: String,
}

/// The seed of a round's draw, out of what nobody knew when the round was asked for.
///
/// `entropy` is drawn after the request is stored; `latest` is the last report of the installation, whose nanoseconds nobody chose.
#[must_use]
pub fn round_seed(round: &str, entropy: &[u8; 32], latest: Option<Digest>) -> Digest {
    let latest = latest.map_or([0; 32], |digest| *digest.as_bytes());
    hash(b"mf.round.v1", &[round.as_bytes(), entropy, &latest])
}

/// The seed of every random order in one seat's run.
#[must_use]
pub fn seat_seed(seed: Digest, key: &PublicKey) -> u64 {
    let digest = hash(b"mf.seat.v1", &[seed.as_bytes(), key.as_bytes()]);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(bytes)
}

/// Draws `wanted` of the candidates by a seed, at most one of an owner: keys are free, so a person with three of them is one.
///
/// The order is by hash of seed and key; `taken` names owners that sit already. Fewer come back when there are no more.
#[must_use]
pub fn draw(
    seed: Digest,
    candidates: &[Candidate],
    taken: &[&str],
    wanted: usize,
) -> Vec<PublicKey> {
    let mut ranked: Vec<(Digest, &Candidate)> = candidates
        .iter()
        .map(|candidate| {
            (hash(b"mf.draw.v1", &[seed.as_bytes(), candidate.key.as_bytes()]), candidate)
        })
        .collect();
    ranked.sort_by(|x, y| x.0.as_bytes().cmp(y.0.as_bytes()));
    let mut owners: Vec<&str> = taken.to_vec();
    let mut drawn = Vec::new();
    for (_, candidate) in ranked {
        if drawn.len() == wanted {
            break;
        }
        if !owners.contains(&candidate.owner.as_str()) {
            owners.push(&candidate.owner);
            drawn.push(candidate.key);
        }
    }
    drawn
}

fn hash(tag: &[u8], fields: &[&[u8]]) -> Digest {
    let mut bytes = Vec::new();
    for field in std::iter::once(&tag).chain(fields) {
        bytes.extend_from_slice(&(field.len() as u32).to_le_bytes());
        bytes.extend_from_slice(field);
    }
    Digest::of(&bytes)
}

/// The quorum of a round of `wanted` evaluators: one for one, otherwise at least three and two thirds of the weight.
#[must_use]
pub const fn quorum_of(wanted: u32) -> Quorum {
    if wanted <= 1 { Quorum::SINGLE } else { Quorum::SEVERAL }
}

/// What became of one vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It counts.
    Kept,
    /// Its samples were committed by another before.
    Copied,
    /// It lies too far from the median.
    Rejected,
}

/// What a round of evaluators says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The consensus; none when nobody voted.
    pub consensus: Option<Consensus>,
    /// The price that a quorum agrees on; none holds the price.
    pub agreed: Option<Agreed>,
    /// What became of each vote, with |x − m| in scales, in the order of the votes; a copy deviates by [`DEVIATION_MAX`].
    pub fates: Vec<(Fate, f64)>,
}

/// Counts votes in the order of their commitments; `absent` is the weight of those who sat and did not vote.
///
/// Absent weight counts against the quorum like that of a discarded vote, so that a withheld reveal cannot make a majority out of a
/// minority.
#[must_use]
pub fn count(votes: &[Vote], absent: f64, quorum: Quorum) -> Verdict {
    let present = votes.iter().map(|vote| vote.weight).sum::<f64>();
    // `consensus` compares with the weight of the votes alone, so the share is raised by what is absent.
    let share = if present > 0.0 { quorum.weight * (present + absent) / present } else { 1.0 };
    let Some(consensus) = consensus(votes, Quorum { weight: share, ..quorum }) else {
        return Verdict { consensus: None, agreed: None, fates: Vec::new() };
    };
    let fates = votes
        .iter()
        .map(|vote| {
            if consensus.copies.contains(&vote.evaluator) {
                return (Fate::Copied, DEVIATION_MAX);
            }
            let away = (ln_of(vote.price_micro) - consensus.first_median).abs() / consensus.scale;
            let fate = if consensus.rejected.contains(&vote.evaluator) {
                Fate::Rejected
            } else {
                Fate::Kept
            };
            (fate, away.min(DEVIATION_MAX))
        })
        .collect();
    // Nobody is agreed with by people without weight.
    let agreed = consensus.agreed.filter(|_| present > 0.0);
    Verdict { consensus: Some(consensus), agreed, fates }
}

/// The moving average of an evaluator's deviations after one more, in scales; it starts at 0.
#[must_use]
pub fn mean_deviation(before: f64, deviation: f64) -> f64 {
    (1.0 - DEVIATION_ALPHA) * before + DEVIATION_ALPHA * deviation.clamp(0.0, DEVIATION_MAX)
}

/// The share of its weight that an evaluator keeps at a mean deviation: all of it up to [`DEVIATION_FREE`], nothing from the bound of
/// rejection on, a straight line between.
#[must_use]
pub fn weight_share(mean_deviation: f64) -> f64 {
    ((PARAMS.mad_k - mean_deviation) / (PARAMS.mad_k - DEVIATION_FREE)).clamp(0.0, 1.0)
}

/// Whether an evaluator is drawn on, from its last rounds, the latest last: `true` where it missed.
#[must_use]
pub fn is_active(missed: &[bool]) -> bool {
    let recent = &missed[missed.len().saturating_sub(MISSES_WINDOW)..];
    recent.iter().filter(|missed| **missed).count() < MISSES_MAX
}

/// Whether a report of a model with a known answer gives that answer: a clone of the reference is worth P₀ within 3σ.
#[must_use]
pub fn trap_holds(price_micro: i64, sigma: f64) -> bool {
    let away = (ln_of(price_micro) - libm::log(PARAMS.price_reference)).abs();
    away <= TRAP_SIGMAS * sigma.max(PARAMS.mad_floor / TRAP_SIGMAS)
}
