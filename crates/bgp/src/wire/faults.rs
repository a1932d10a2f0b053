//! What was found wrong in an UPDATE, while it is open what that leads to (RFC 7606 section 3 h).

use super::{Disposition, Fault, Notification};
use bytes::Bytes;
use rustbgpd_wire::notification::{NotificationCode, description};
use rustbgpd_wire::validate::UpdateValidationError;
use rustbgpd_wire::{ErrorDisposition, MalformedAttribute};

/// One fault, with what the peer would be told if it came to that.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) fault: Fault,
    pub(super) notification: Notification,
}

/// An UPDATE Message Error (RFC 4271 section 6.3).
pub(super) fn update_error(subcode: u8, data: &[u8]) -> Notification {
    Notification {
        code: NotificationCode::UpdateMessage.as_u8(),
        subcode,
        data: Bytes::copy_from_slice(data),
    }
}

impl Finding {
    pub(super) fn new(
        attribute: u8,
        disposition: Disposition,
        notification: Notification,
        detail: impl Into<String>,
    ) -> Self {
        let fault = Fault {
            attribute,
            disposition,
            detail: detail.into(),
        };
        Finding {
            fault,
            notification,
        }
    }

    /// What the crate could not read.
    pub(super) fn unreadable(malformed: MalformedAttribute) -> Result<Finding, Notification> {
        let detail = malformed.error.to_string();
        let notification = Notification::from(malformed.error);
        let disposition = survived(malformed.disposition, &notification)?;
        Ok(Finding::new(
            malformed.type_code,
            disposition,
            notification,
            detail,
        ))
    }

    /// What the crate could read but not accept.
    pub(super) fn invalid(error: UpdateValidationError) -> Result<Finding, Notification> {
        let notification = update_error(error.error.subcode, &error.error.data);
        let disposition = survived(error.error.disposition, &notification)?;
        let detail = description(NotificationCode::UpdateMessage, error.error.subcode);
        Ok(Finding::new(
            error.type_code,
            disposition,
            notification,
            detail,
        ))
    }
}

fn survived(
    disposition: ErrorDisposition,
    otherwise: &Notification,
) -> Result<Disposition, Notification> {
    match disposition {
        ErrorDisposition::AttributeDiscard => Ok(Disposition::AttributeDiscard),
        ErrorDisposition::TreatAsWithdraw => Ok(Disposition::TreatAsWithdraw),
        ErrorDisposition::SessionReset => Err(otherwise.clone()),
    }
}

/// The first finding for which the prefixes count as withdrawn.
pub(super) fn withdrawing(findings: &[Finding]) -> Option<&Finding> {
    findings
        .iter()
        .find(|finding| finding.fault.disposition == Disposition::TreatAsWithdraw)
}
