//! `mul_div` and the rounding of a vault against the real OpenZeppelin 5.7 contract, run in an EVM.
//!
//! `mul_div` is product code; the vault is here only, to show what the contract's roundings do.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use domain::amount::{Rounding, U256, mul_div};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/erc4626_oz.json")).unwrap()
}

fn number(value: &Value) -> U256 {
    value.as_str().unwrap().parse().unwrap()
}

/// The vault of ERC-4626 with virtual shares and one virtual asset, as OpenZeppelin computes it.
#[derive(Clone, Copy, Default)]
struct Vault {
    assets: U256,
    supply: U256,
    decimals_offset: u64,
}

impl Vault {
    fn virtual_supply(&self) -> U256 {
        self.supply + U256::from(10_u64.pow(self.decimals_offset as u32))
    }

    fn to_shares(self, assets: U256, rounding: Rounding) -> U256 {
        mul_div(assets, self.virtual_supply(), self.assets + U256::ONE, rounding).unwrap()
    }

    fn to_assets(self, shares: U256, rounding: Rounding) -> U256 {
        mul_div(shares, self.assets + U256::ONE, self.virtual_supply(), rounding).unwrap()
    }

    fn deposit(&mut self, assets: U256) -> U256 {
        let shares = self.to_shares(assets, Rounding::Floor);
        (self.assets, self.supply) = (self.assets + assets, self.supply + shares);
        shares
    }
}

/// Proves all ten edges of `mulDiv`, and that what leaves 256 bits or divides by zero has no result.
#[test]
fn mul_div_edges() {
    let file = golden();
    let cases = file["muldiv"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let ceil = case["ceil"].as_bool().unwrap();
        let rounding = if ceil { Rounding::Ceil } else { Rounding::Floor };
        let found = mul_div(number(&case["a"]), number(&case["b"]), number(&case["c"]), rounding);
        assert_eq!(found, Some(number(&case["result"])), "{case}");
    }
    assert_eq!(mul_div(U256::MAX, U256::MAX, U256::MAX, Rounding::Ceil), Some(U256::MAX));
    assert_eq!(mul_div(U256::MAX, U256::from(2), U256::ONE, Rounding::Floor), None);
    assert_eq!(mul_div(U256::ONE, U256::ONE, U256::ZERO, Rounding::Floor), None);
}

/// Proves all six conversions of 40 random states of the contract's vault.
#[test]
fn conversions() {
    let file = golden();
    let cases = file["conversions"].as_array().unwrap();
    assert_eq!(cases.len(), 40);
    for case in cases {
        let field = |name: &str| number(&case[name]);
        let vault = Vault {
            assets: field("total_assets"),
            supply: field("total_supply"),
            decimals_offset: 3,
        };
        let (assets, shares) = (field("assets"), field("shares"));
        let (floor, ceil) = (Rounding::Floor, Rounding::Ceil);
        for (name, found) in [
            ("convertToShares", vault.to_shares(assets, floor)),
            ("convertToAssets", vault.to_assets(shares, floor)),
            ("previewDeposit", vault.to_shares(assets, floor)),
            ("previewMint", vault.to_assets(shares, ceil)),
            ("previewWithdraw", vault.to_shares(assets, ceil)),
            ("previewRedeem", vault.to_assets(shares, floor)),
        ] {
            assert_eq!(found, field(name), "{name} of {case}");
        }
    }
}

/// Proves the table of the first depositor's attack: one step of shares, a donation, and what is left to the victim.
#[test]
fn inflation_attack() {
    let file = golden();
    let cases = file["inflation_attack"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let decimals_offset = case["decimals_offset"].as_u64().unwrap();
        let mut vault = Vault { decimals_offset, ..Vault::default() };
        let attacker = vault.deposit(U256::ONE);
        vault.assets += number(&case["attacker_in"]) - U256::ONE;
        let victim = vault.deposit(number(&case["victim_in"]));
        let value = |shares| vault.to_assets(shares, Rounding::Floor);
        assert_eq!(victim, number(&case["victim_shares"]), "{case}");
        assert_eq!(value(victim), number(&case["victim_value"]), "{case}");
        assert_eq!(value(attacker), number(&case["attacker_value"]), "{case}");
        let loss = number(&case["attacker_in"]) - value(attacker);
        assert_eq!(format!("-{loss}"), case["attacker_pnl"].as_str().unwrap());
    }
}
