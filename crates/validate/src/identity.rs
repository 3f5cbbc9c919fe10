//! How a facility is recognised: alternatives, each of them a conjunction.

use std::sync::Arc;

use barid_model::Name;

use crate::address::Network;
use crate::peer::{CertificateFacts, Peer};

/// How strongly a sender has proved who it is, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Proof {
    /// It says so (MSH-3, MSH-4, or the listener it came to).
    #[default]
    Declared,
    /// It sends from the facility's network.
    Address,
    /// It knows the facility's token.
    Token,
    /// It holds the key of the facility's certificate.
    Certificate,
}

impl Proof {
    /// The word in documents and texts.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Address => "address",
            Self::Token => "token",
            Self::Certificate => "certificate",
        }
    }
}

/// One alternative: all of its conditions must hold. One without any condition never holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Identity {
    /// What the client certificate says.
    pub certificate: Option<CertificateMatch>,
    /// What the message says of its sender.
    pub msh: Option<MshMatch>,
    /// Networks it sends from; one of them must hold. Empty: no condition.
    pub addresses: Vec<Network>,
    /// The listener it comes to.
    pub listener: Option<Name>,
    /// The bearer token it shows, by the place of the secret (`namespace/secret/key` or `env:NAME`), never by value.
    pub token: Option<Arc<str>>,
}

/// What a client certificate must say; all that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct CertificateMatch {
    /// One of its DNS names, compared without case; `*.example.mr` matches one label.
    pub dns_name: Option<String>,
    /// Its subject's common name.
    pub common_name: Option<String>,
    /// Its subject's organization.
    pub organization: Option<String>,
    /// SHA-256 of the certificate itself.
    pub fingerprint: Option<[u8; 32]>,
}

/// What MSH-3 and MSH-4 must be: their first component, or the whole field as sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct MshMatch {
    /// MSH-3.
    pub sending_application: Option<String>,
    /// MSH-4.
    pub sending_facility: Option<String>,
}

/// MSH-3 and MSH-4 as bytes: the whole field and its first component.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sender<'a> {
    pub application: (&'a [u8], &'a [u8]),
    pub facility: (&'a [u8], &'a [u8]),
}

impl Identity {
    /// The strongest proof among its conditions.
    #[must_use]
    pub fn proof(&self) -> Proof {
        if self.certificate.is_some() {
            Proof::Certificate
        } else if self.token.is_some() {
            Proof::Token
        } else if !self.addresses.is_empty() {
            Proof::Address
        } else {
            Proof::Declared
        }
    }

    /// How many conditions it has: of two that hold, the one that asks for more is meant.
    pub(crate) fn conditions(&self) -> usize {
        let msh = self.msh.as_ref().map_or(0, |msh| {
            usize::from(msh.sending_application.is_some()) + usize::from(msh.sending_facility.is_some())
        });
        let others =
            [self.certificate.is_some(), !self.addresses.is_empty(), self.listener.is_some(), self.token.is_some()];
        msh + others.into_iter().filter(|given| *given).count()
    }

    /// Whether all conditions hold but for what the message says of itself.
    pub(crate) fn holds_for_peer(&self, peer: &Peer, listener: &Name) -> bool {
        let certificate = match (&self.certificate, &peer.certificate) {
            (None, _) => true,
            (Some(wanted), Some(facts)) => wanted.holds(facts),
            (Some(_), None) => false,
        };
        certificate
            && self.listener.as_ref().is_none_or(|own| own == listener)
            && self.token.as_ref().is_none_or(|token| peer.tokens.contains(token))
            && (self.addresses.is_empty()
                || peer.address.is_some_and(|at| self.addresses.iter().any(|n| n.contains(at))))
    }

    /// Whether what the message says of its sender holds; true where nothing is asked.
    pub(crate) fn holds_for_sender(&self, sender: &Sender<'_>) -> bool {
        self.msh.as_ref().is_none_or(|msh| msh.holds(sender))
    }
}

impl CertificateMatch {
    fn holds(&self, facts: &CertificateFacts) -> bool {
        let dns = self.dns_name.as_ref().is_none_or(|name| facts.dns_names.iter().any(|own| same_name(name, own)));
        dns && self.common_name.as_ref().is_none_or(|name| facts.common_name.as_ref() == Some(name))
            && self.organization.as_ref().is_none_or(|name| facts.organization.as_ref() == Some(name))
            && self.fingerprint.is_none_or(|wanted| wanted == facts.fingerprint)
            && *self != Self::default()
    }
}

impl MshMatch {
    fn holds(&self, sender: &Sender<'_>) -> bool {
        let same = |wanted: &Option<String>, (whole, first): (&[u8], &[u8])| {
            wanted.as_ref().is_none_or(|text| text.as_bytes() == first || text.as_bytes() == whole)
        };
        same(&self.sending_application, sender.application) && same(&self.sending_facility, sender.facility)
    }
}

/// Whether a DNS name is the wanted one, or lies one label below a wanted `*.parent`.
fn same_name(wanted: &str, own: &str) -> bool {
    match wanted.strip_prefix("*.") {
        Some(parent) => {
            own.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent))
        }
        None => own.eq_ignore_ascii_case(wanted),
    }
}
