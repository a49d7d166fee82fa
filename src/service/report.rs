//! Receipts that the host has authenticated itself, for messages by whatever sender.

use super::Service;
use crate::error::Result;
use crate::metrics::Call;
use crate::reply::ReportReply;
use crate::webhook::receipt;

impl Service {
    /// Takes what the host knows about a message: stores it, and then goes on with the workflow as after a webhook. It
    /// moves a delivery, and never changes whether a code is right. Whoever may call it may begin a delivery's next
    /// step: never call it for what an open URL was told.
    ///
    /// # Errors
    ///
    /// `Argument` for JSON that is no report; `Store`, `Busy`. What follows a report that is stored changes nothing
    /// about the answer.
    pub fn report(&self, report: &str) -> Result<ReportReply> {
        self.call(Call::Report, || {
            let status = receipt::read(report, &self.core.config.sender_names());
            let answer = status.and_then(|status| self.store_status(status));
            let answer = answer.map(|heard| {
                let heard = self.go_on_after(heard);
                ReportReply { known: heard.row.is_some(), state: heard.state }
            });
            self.logged("receipt", None, answer)
        })
    }
}
