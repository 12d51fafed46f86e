//! The window turned against those who are not asked: by a sale that is taken back.

use super::*;

/// The same, with nothing bought of publishers.
fn between(part: i64) -> Event {
    let mut event = rebalance(part, 0);
    if let Event::Rebalance { max_primary, .. } = &mut event {
        *max_primary = Some(Ppb::ZERO);
    }
    event
}

/// Proves that a sale which the fund takes back at its own price leaves nothing to count, however cheap the sales before it were: what
/// it buys back takes the dearest away, not the oldest.
#[test]
fn a_sale_taken_back_leaves_no_price() {
    let mut state = opened(1_000_000_000, 0);
    done(&mut state, &rebalance(300_000_000, 0));
    assert_eq!(clearing(&state, 0), Some((1_000_000_000, 300_000_000)));
    done(&mut state, &mark(5 * SHARE, None));
    let honest = ten(&state);
    // 700 in cash and 300 units at five: 250 units are sold at five, and bought back.
    done(&mut state, &between(113_636_364));
    assert!(ten(&state) > honest, "while the fund has the money, it counts");
    done(&mut state, &between(681_818_182));
    let (_, units) = clearing(&state, 0).unwrap();
    assert!((299_999_990..=300_000_010).contains(&units), "{units}");
    assert!((honest - 1..=honest + 1).contains(&ten(&state)), "{} of {honest}", ten(&state));
}
