//! For receivers of webhooks: checks that a delivery comes from the server that shares the secret, and is not an old one sent again.

use hmac::{Hmac, KeyInit as _, Mac as _};

/// How far the time of a delivery may be from the receiver's, in seconds, either way.
pub const WEBHOOK_WINDOW_S: i64 = 5 * 60;

/// Why a delivery is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The header `Modelfolio-Timestamp` is no whole number of seconds since 1970.
    #[error("the timestamp is no whole number of seconds")]
    Timestamp,
    /// The delivery is too old, or from the future: perhaps somebody sends it again.
    #[error("the timestamp is more than 300 seconds away")]
    Window,
    /// The header `Modelfolio-Signature` is not `v1=` and 64 hexadecimal digits.
    #[error("the signature is not of the form v1=hex")]
    Form,
    /// The signature is another one: wrong secret, or a changed body or time.
    #[error("the signature does not fit")]
    Signature,
}

/// Checks a delivery: `timestamp` and `signature` are the headers' texts, `body` the bytes as they came, `now_s` the receiver's time.
///
/// The signatures are compared in constant time. A receiver keeps the ids of `Modelfolio-Delivery` for as long as the window and
/// answers a known one with 200: deliveries come at least once.
///
/// # Errors
/// See [`WebhookError`].
pub fn verify_webhook(
    secret: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now_s: i64,
) -> Result<(), WebhookError> {
    let is_plain = !timestamp.is_empty() && timestamp.bytes().all(|b| b.is_ascii_digit());
    let at: i64 = Some(timestamp)
        .filter(|_| is_plain)
        .and_then(|t| t.parse().ok())
        .ok_or(WebhookError::Timestamp)?;
    if now_s.abs_diff(at) > WEBHOOK_WINDOW_S.unsigned_abs() {
        return Err(WebhookError::Window);
    }
    let given = signature.strip_prefix("v1=").and_then(bytes_of).ok_or(WebhookError::Form)?;
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes());
    let mut mac = mac.map_err(|_| WebhookError::Signature)?;
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(&given).map_err(|_| WebhookError::Signature)
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let is_plain = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    let pairs = hex.as_bytes().chunks(2).map(|pair| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    });
    if is_plain { pairs.collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_00";
    const BODY: &[u8] = b"{\"a\":1}";
    const AT: &str = "1700000000";
    /// Computed with another implementation: Python's `hmac`.
    const SIGNATURE: &str = "v1=45cffce3b675935877c716288bfe48276b43036345fecebf62b30649bd0946a7";

    /// Proves that a delivery is believed within the window alone, and that a change of any part is seen.
    #[test]
    fn deliveries() {
        let verify =
            |secret, at, signature, body, now| verify_webhook(secret, at, signature, body, now);
        for now in [1_700_000_000, 1_700_000_300, 1_699_999_700] {
            assert_eq!(verify(SECRET, AT, SIGNATURE, BODY, now), Ok(()));
        }
        for now in [1_700_000_301, 1_699_999_699, 0, i64::MAX, i64::MIN] {
            assert_eq!(verify(SECRET, AT, SIGNATURE, BODY, now), Err(WebhookError::Window));
        }
        let now = 1_700_000_000;
        let wrong = Err(WebhookError::Signature);
        assert_eq!(verify("whsec_01", AT, SIGNATURE, BODY, now), wrong);
        assert_eq!(verify(SECRET, "1700000001", SIGNATURE, BODY, now), wrong);
        assert_eq!(verify(SECRET, AT, SIGNATURE, b"{\"a\":2}", now), wrong);
        for at in ["", "x", "-1", "+1700000000", "1700000000.0", "99999999999999999999"] {
            assert_eq!(
                verify(SECRET, at, SIGNATURE, BODY, now),
                Err(WebhookError::Timestamp),
                "{at}"
            );
        }
        for signature in ["", "v1=", "v2=00", &SIGNATURE[3..], &SIGNATURE[..66], "v1=é"] {
            let form = Err(WebhookError::Form);
            assert_eq!(verify(SECRET, AT, signature, BODY, now), form, "{signature}");
        }
    }
}
