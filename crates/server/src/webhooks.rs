//! Sends what webhooks are to be told: leases deliveries, signs and posts them, and writes how it went.
//!
//! An address is resolved here, checked, and the connection goes to the very addresses that were checked: a name that changes its
//! meaning between the two reaches nothing.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use domain::digest::to_hex;
use reqwest::{Client, Url, redirect::Policy};
use service::{LeasedDelivery, Service, ServiceError};
use tokio::task::JoinSet;

use crate::clock::wall_now;

/// Pause when there is nothing to send.
const IDLE_WAIT: Duration = Duration::from_millis(500);
/// Pause after a failure of the database.
const TROUBLE_WAIT: Duration = Duration::from_secs(5);
/// Longest time of one attempt, name and connection included; well below a lease.
const ATTEMPT_WAIT: Duration = Duration::from_secs(10);
/// Most attempts at a time.
const ATTEMPTS_AT_ONCE: usize = 8;

/// Sends deliveries until it is aborted; what it had leased then is sent again when the lease has run out, here or elsewhere.
pub(crate) async fn deliver(service: Arc<Service>, allow_private: bool) {
    let mut random = [0; 8];
    if let Err(error) = getrandom::fill(&mut random) {
        tracing::error!(%error, "no random numbers: webhooks are not told anything");
        return;
    }
    // Another installation of the provider in this process changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let holder: Arc<str> = to_hex(&random).into();
    let mut running = JoinSet::new();
    loop {
        while running.len() >= ATTEMPTS_AT_ONCE {
            running.join_next().await;
        }
        let wait = match service.lease_delivery(&holder, wall_now()).await {
            Ok(Some(delivery)) => {
                let (service, holder) = (service.clone(), holder.clone());
                running.spawn(async move {
                    attempt(&service, &holder, &delivery, allow_private).await;
                });
                continue;
            }
            Ok(None) => IDLE_WAIT,
            Err(ServiceError::Busy(_)) => IDLE_WAIT,
            Err(error) => {
                tracing::warn!(cause = %error.chain(), "deliveries cannot be leased");
                TROUBLE_WAIT
            }
        };
        tokio::select! {
            // What follows a delivery that ended may be due at once.
            Some(_) = running.join_next() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn attempt(service: &Service, holder: &str, delivery: &LeasedDelivery, allow_private: bool) {
    let sent = tokio::time::timeout(ATTEMPT_WAIT, post(delivery, allow_private)).await;
    let seconds = ATTEMPT_WAIT.as_secs();
    let answered = sent.unwrap_or_else(|_| Err(format!("no answer within {seconds} s")));
    if let Err(error) = service.finish_delivery(holder, delivery, answered, wall_now()).await {
        tracing::warn!(delivery = delivery.id, cause = %error.chain(), "an attempt was not recorded");
    }
}

/// Posts a delivery; the status that was answered. Nothing of the answer's body is read.
async fn post(delivery: &LeasedDelivery, allow_private: bool) -> Result<u16, String> {
    let url: Url = delivery.url.parse().map_err(|e| format!("the address is none: {e}"))?;
    if !matches!(url.scheme(), "http" | "https")
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err("the address is not plain http or https".to_owned());
    }
    let host = url.host_str().ok_or("the address names no host")?;
    let port = url.port_or_known_default().ok_or("the address names no port")?;
    let addresses = resolve(host, port).await?;
    if !allow_private && let Some(bad) = addresses.iter().find(|a| !is_public(a.ip())) {
        return Err(format!("{host} leads to {}, which is not a public address", bad.ip()));
    }
    let client = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(ATTEMPT_WAIT)
        .resolve_to_addrs(host, &addresses)
        .build()
        .map_err(|e| format!("no connection can be made: {e}"))?;
    let timestamp_s = wall_now().as_millis() / 1000;
    let sent = client
        .post(url)
        .header("content-type", "application/json")
        .header("user-agent", "modelfolio")
        .header("modelfolio-event", &delivery.event)
        .header("modelfolio-delivery", &delivery.id)
        .header("modelfolio-timestamp", timestamp_s.to_string())
        .header("modelfolio-signature", delivery.signature(timestamp_s))
        .body(delivery.body.clone())
        .send()
        .await;
    match sent {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) if error.is_timeout() => Err("the receiver did not answer in time".to_owned()),
        Err(error) if error.is_connect() => Err("no connection to the receiver".to_owned()),
        Err(_) => Err("the connection to the receiver broke".to_owned()),
    }
}

/// The addresses of a host, which may be written as one.
async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = literal.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let found = tokio::net::lookup_host((host, port)).await;
    let found: Vec<SocketAddr> =
        found.map_err(|_| format!("no address of {host} was found"))?.collect();
    if found.is_empty() { Err(format!("no address of {host} was found")) } else { Ok(found) }
}

/// Whether an address is of the public internet, so that a delivery reaches nobody's inner services.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = ip.is_unspecified()
        || ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.is_documentation();
    let is_reserved = a == 0
        || a >= 240
        // Carriers' own, protocol assignments, benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19));
    !is_special && !is_reserved
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    // Only 2000::/3 is given out; what carries an address of version 4 inside is as public as nothing.
    let [first, second, ..] = ip.segments();
    let is_global = first & 0xe000 == 0x2000;
    let is_tunnel = first == 0x2002 || (first == 0x2001 && second == 0);
    let is_documentation = (first == 0x2001 && second == 0xdb8) || first == 0x3fff;
    is_global && !is_tunnel && !is_documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves which addresses deliveries reach: public ones, and none of an inner network in any spelling.
    #[test]
    fn public_addresses() {
        for public in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inner in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "2002:7f00:1::",
            "2001:0:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(inner.parse().unwrap()), "{inner}");
        }
    }
}
