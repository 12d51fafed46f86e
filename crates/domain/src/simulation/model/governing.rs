//! The model's rules: at the creation, and when they change.

use super::{
    Code, Model, Rules, amount,
    auction::AuctionRules,
    math::{self, K},
    need,
};
use crate::{
    digest::Digest,
    fund::FundParams,
    name::Name,
    simulation::cast::{MANAGER, PUBPOOL},
};

/// Reads parameters, each in its range.
fn read(params: &FundParams) -> Result<Rules, Code> {
    let levels =
        [params.levy_in.as_ppb(), params.management_fee.as_ppb(), params.performance_fee.as_ppb()];
    let [levy_in, management, performance] = levels.map(i128::from);
    need(levels.iter().all(|l| (0..1_000_000_000).contains(l)), "amount")?;
    let publishers = i128::from(params.publisher_share.as_ppb());
    need((0..=K).contains(&publishers), "amount")?;
    let locked = amount(params.locked_shares.as_nano(), 1)?;
    let reserve = amount(params.reserve.as_micro(), 0)?;
    let auction = params.auction.as_ref().map(AuctionRules::read).transpose()?;
    let window = params.window.map(|w| (w.budget.as_ppb(), w.levy_out.as_ppb()));
    let fits = |(budget, levy): (i64, i64)| {
        (1..=1_000_000_000).contains(&budget) && (0..1_000_000_000).contains(&levy)
    };
    need(window.is_none_or(fits), "amount")?;
    let window = window.map(|(budget, levy)| (i128::from(budget), i128::from(levy)));
    let retention = math::daily_retention(management);
    Ok(Rules {
        auction,
        window,
        management,
        performance,
        publishers,
        levy_in,
        reserve,
        locked,
        retention,
    })
}

impl Model {
    pub(super) fn create(&mut self, fund: &Name, params: &FundParams) -> Result<(), Code> {
        need(self.rules.is_none() || *fund != self.cast.fund, "exists")?;
        let rules = read(params)?;
        need(*fund == self.cast.fund, "model: another fund")?;
        self.rules = Some(rules);
        Ok(())
    }

    /// Other fees from here on; nothing is charged and nothing moves.
    pub(super) fn adopt(
        &mut self,
        fund: &Name,
        digest: Digest,
        params: &FundParams,
    ) -> Result<(), Code> {
        let (before, after) = (self.rules(fund)?, read(params)?);
        let [manager, pool] = [MANAGER, PUBPOOL].map(|who| &self.cast.persons[who]);
        let same = params.manager == *manager && params.publisher_pool == *pool;
        need(same && after.locked == before.locked, "fixed")?;
        need(self.adopted != Some(digest), "nothing")?;
        if after.auction != before.auction {
            self.call_off()?;
        }
        (self.rules, self.adopted) = (Some(after), Some(digest));
        Ok(())
    }

    /// The shares that nobody can redeem, as the rules have them.
    pub(in crate::simulation) fn locked(&self) -> i64 {
        self.rules.map_or(0, |rules| i64::try_from(rules.locked).unwrap_or(i64::MAX))
    }
}
