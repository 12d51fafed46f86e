//! Origins: whom a token may be shown to.

/// Whether two addresses are of one server: the same scheme, host and port, as a client reads them.
///
/// What is no address is of no server.
#[must_use]
pub fn same_origin(one: &str, other: &str) -> bool {
    let origin = |address: &str| reqwest::Url::parse(address).ok().map(|url| url.origin());
    match (origin(one), origin(other)) {
        (Some(one), Some(other)) => one.is_tuple() && one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::same_origin;

    /// Proves that nothing but scheme, host and port counts, that default ports are ports, and that a name before an @ is no host.
    #[test]
    fn origins() {
        let server = "http://127.0.0.1:8080";
        for (address, same) in [
            ("http://127.0.0.1:8080/v1/strikes/F/1/bundle?samples=true", true),
            ("HTTP://127.0.0.1:8080", true),
            ("http://127.0.0.1/v1", false),
            ("https://127.0.0.1:8080/v1", false),
            ("http://127.0.0.1:8081/v1", false),
            ("http://127.0.0.1:8080@example.org/v1", false),
            ("http://example.org/http://127.0.0.1:8080", false),
            ("127.0.0.1:8080", false),
            ("file:///etc/hosts", false),
            ("", false),
        ] {
            assert_eq!(same_origin(server, address), same, "{address}");
        }
        assert!(same_origin("https://example.org", "https://example.org:443/x"));
        assert!(!same_origin("data:,", "data:,"), "an address without a host");
    }
}
