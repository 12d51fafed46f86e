//! Index mathematics: who is in the basket, weights under caps, how far trades may go, and the level of the basket.

mod band;
mod buffer;
mod dense;
mod divisor;
mod integer;
mod level;
mod levy;
mod turnover;
mod weights;

pub use band::WeightBand;
pub use buffer::{Buffer, BufferError, Candidate, ranked};
pub use dense::{DenseError, DenseLevel};
pub use divisor::Divisor;
pub use integer::{PpbCaps, PpbWeights, capped_weights_ppb};
pub use level::{IndexLevel, LevelError, NOTIONAL_MICRO};
pub use levy::least_levy;
pub use turnover::{Move, Relaxation, Trades, TurnoverError, one_way, plan_trades};
pub(crate) use weights::largest_remainder;
pub use weights::{GroupCap, Infeasible, InfeasiblePolicy, Weights, capped_weights};
