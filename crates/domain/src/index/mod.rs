//! Index mathematics: weights under caps, and the level of the basket.

mod level;
mod weights;

pub use level::{IndexLevel, LevelError, NOTIONAL_MICRO};
pub use weights::{GroupCap, Infeasible, InfeasiblePolicy, Weights, capped_weights};
