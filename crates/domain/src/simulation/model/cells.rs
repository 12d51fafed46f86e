//! Whose a cell of the table is, and which cell is whose.

use super::{ASSETS, LIQ, Model};
use crate::fund::{Account, Asset};

impl Model {
    /// The account and asset of a cell.
    pub(in crate::simulation) fn place(&self, cell: usize) -> (Account, &Asset) {
        let (row, column) = (cell / ASSETS, cell % ASSETS);
        let account = self.cast.accounts.get(row).cloned().unwrap_or_else(|| {
            let epoch = self.leavers.get(row - LIQ).copied().unwrap_or(0);
            Account::Liquidation { fund: self.cast.fund.clone(), epoch }
        });
        (account, &self.cast.assets[column])
    }

    /// The cell of an account and an asset; none for what is no part of this life, or a pool that never was.
    pub(in crate::simulation) fn find_cell(
        &self,
        account: &Account,
        asset: &Asset,
    ) -> Option<usize> {
        let row = match account {
            Account::Liquidation { fund, epoch } if *fund == self.cast.fund => {
                LIQ + self.leavers.iter().rposition(|e| e == epoch)?
            }
            account => self.cast.find_account(account)?,
        };
        Some(row * ASSETS + self.cast.find_asset(asset)?)
    }
}
