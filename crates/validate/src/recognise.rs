//! Who sent a message: the facility whose declared identity holds.
//!
//! A certificate or token proves a connection's owner, and that owner may send only what is its own: a message that
//! claims (by MSH-3/4) to come from another facility is refused unless the owner speaks for it. Without such a proof the
//! facility whose identity holds is taken, as far as the listener takes so weak a proof.

use std::collections::HashMap;
use std::sync::Arc;

use barid_model::Name;

use crate::facility::FacilityRules;
use crate::identity::{Identity, Proof, Sender};
use crate::peer::{CertificateFacts, Peer};
use crate::table::ParseTable;

/// Who sent a message. Facilities are places in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recognised {
    /// A declared facility, and the one it speaks for.
    Known { facility: usize, speaks_for: Option<usize> },
    /// No identity holds.
    Stranger,
    /// One holds, but the listener asks for a stronger proof.
    TooWeak(Proof),
    /// The owner of a certificate or token claims to be who it is not.
    Impostor { owner: usize },
}

/// One identity of one facility.
#[derive(Debug, Clone, Copy)]
struct Place {
    facility: usize,
    identity: usize,
}

/// All identities, each filed under the rarest thing it asks for.
pub(crate) struct Identities {
    by_certificate: HashMap<CertificateKey, Vec<Place>>,
    by_token: HashMap<Arc<str>, Vec<Place>>,
    by_sending_facility: HashMap<Box<[u8]>, Vec<Place>>,
    others: Vec<Place>,
    /// By MSH-4: every identity that asks for it, whatever else it asks.
    claims: HashMap<Box<[u8]>, Vec<Place>>,
    /// By facility: the places of those it speaks for.
    speaks_for: Vec<Vec<usize>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum CertificateKey {
    Fingerprint([u8; 32]),
    DnsName(String),
    CommonName(String),
    Organization(String),
}

impl Identities {
    pub(crate) fn new(facilities: &[FacilityRules], places: &HashMap<Name, usize>) -> Self {
        let mut all = Self {
            by_certificate: HashMap::new(),
            by_token: HashMap::new(),
            by_sending_facility: HashMap::new(),
            others: Vec::new(),
            claims: HashMap::new(),
            speaks_for: facilities
                .iter()
                .map(|rules| rules.speaks_for.iter().filter_map(|name| places.get(name).copied()).collect())
                .collect(),
        };
        for (facility, rules) in facilities.iter().enumerate() {
            for (identity, rule) in rules.identities.iter().enumerate() {
                all.file(Place { facility, identity }, rule);
            }
        }
        all
    }

    fn file(&mut self, place: Place, identity: &Identity) {
        let code = identity.msh.as_ref().and_then(|msh| msh.sending_facility.as_ref());
        if let Some(code) = code {
            self.claims.entry(code.as_bytes().into()).or_default().push(place);
        }
        if let Some(key) = identity.certificate.as_ref().map(certificate_key) {
            self.by_certificate.entry(key).or_default().push(place);
        } else if let Some(token) = &identity.token {
            self.by_token.entry(Arc::clone(token)).or_default().push(place);
        } else if let Some(code) = code {
            self.by_sending_facility.entry(code.as_bytes().into()).or_default().push(place);
        } else if identity.conditions() > 0 {
            self.others.push(place);
        }
    }

    /// Identities that a certificate or token of this peer may fulfil.
    fn provable(&self, peer: &Peer, mut see: impl FnMut(Place)) {
        if let Some(facts) = &peer.certificate {
            for_each_key(facts, |key| {
                self.by_certificate.get(&key).into_iter().flatten().for_each(|place| see(*place))
            });
        }
        for token in &peer.tokens {
            self.by_token.get(token).into_iter().flatten().for_each(|place| see(*place));
        }
    }
}

fn certificate_key(wanted: &crate::identity::CertificateMatch) -> CertificateKey {
    if let Some(fingerprint) = wanted.fingerprint {
        CertificateKey::Fingerprint(fingerprint)
    } else if let Some(name) = &wanted.dns_name {
        CertificateKey::DnsName(name.to_ascii_lowercase())
    } else if let Some(name) = &wanted.common_name {
        CertificateKey::CommonName(name.clone())
    } else {
        CertificateKey::Organization(wanted.organization.clone().unwrap_or_default())
    }
}

fn for_each_key(facts: &CertificateFacts, mut see: impl FnMut(CertificateKey)) {
    see(CertificateKey::Fingerprint(facts.fingerprint));
    for name in &facts.dns_names {
        let name = name.to_ascii_lowercase();
        if let Some((_, parent)) = name.split_once('.') {
            see(CertificateKey::DnsName(format!("*.{parent}")));
        }
        see(CertificateKey::DnsName(name));
    }
    facts.common_name.iter().for_each(|name| see(CertificateKey::CommonName(name.clone())));
    facts.organization.iter().for_each(|name| see(CertificateKey::Organization(name.clone())));
}

/// An identity that holds: of several the strongest proof, then the most conditions, then the first by name.
#[derive(Clone, Copy)]
struct Holds {
    facility: usize,
    strength: (Proof, usize),
}

fn better(best: Option<Holds>, other: Holds) -> Option<Holds> {
    match best {
        Some(held) if held.strength > other.strength => Some(held),
        Some(held) if held.strength == other.strength && held.facility <= other.facility => Some(held),
        _ => Some(other),
    }
}

impl ParseTable {
    /// Recognises the sender of a message that came to a listener.
    pub(crate) fn recognise(&self, peer: &Peer, listener: &Name, asked: Proof, sender: &Sender<'_>) -> Recognised {
        let proven = self.proven(peer, listener, sender);
        let found =
            if proven.owners.is_empty() { self.declared(peer, listener, sender) } else { self.owned(&proven, sender) };
        match found {
            Ok((recognised, proof)) if proof >= asked => recognised,
            Ok((_, proof)) => Recognised::TooWeak(proof),
            Err(other) => other,
        }
    }

    fn identity_at(&self, place: Place) -> Option<&Identity> {
        self.facilities.get(place.facility)?.rules.identities.get(place.identity)
    }

    fn proven(&self, peer: &Peer, listener: &Name, sender: &Sender<'_>) -> Proven {
        let mut proven = Proven { owners: Vec::new(), best: None };
        self.identities.provable(peer, |place| {
            let Some(identity) = self.identity_at(place).filter(|identity| identity.holds_for_peer(peer, listener))
            else {
                return;
            };
            let proof = identity.proof();
            proven.owners.push((place.facility, proof));
            if identity.holds_for_sender(sender) {
                let strength = (proof, identity.conditions());
                proven.best = better(proven.best, Holds { facility: place.facility, strength });
            }
        });
        proven
    }

    /// The message of a proven owner: its own, or of one it speaks for.
    fn owned(&self, proven: &Proven, sender: &Sender<'_>) -> Result<(Recognised, Proof), Recognised> {
        let claims = self.claims(sender);
        let known = |facility, speaks_for| Recognised::Known { facility, speaks_for };
        if let Some(Holds { facility, strength: (proof, _) }) = proven.best
            && (claims.clone().next().is_none() || claims.clone().any(|claim| claim == facility))
        {
            return Ok((known(facility, None), proof));
        }
        for (owner, proof) in &proven.owners {
            if claims.clone().any(|claim| claim == *owner) {
                return Ok((known(*owner, None), *proof));
            }
            let spoken = self.identities.speaks_for.get(*owner);
            if let Some(claim) = claims.clone().find(|claim| spoken.is_some_and(|spoken| spoken.contains(claim))) {
                return Ok((known(*owner, Some(claim)), *proof));
            }
        }
        Err(proven.owners.first().map_or(Recognised::Stranger, |(owner, _)| Recognised::Impostor { owner: *owner }))
    }

    /// The facility whose identity holds without certificate or token.
    fn declared(&self, peer: &Peer, listener: &Name, sender: &Sender<'_>) -> Result<(Recognised, Proof), Recognised> {
        let mut best = None;
        let coded = by_code(&self.identities.by_sending_facility, sender);
        for place in coded.chain(self.identities.others.iter().copied()) {
            let Some(identity) = self.identity_at(place) else { continue };
            if identity.holds_for_sender(sender) && identity.holds_for_peer(peer, listener) {
                let strength = (identity.proof(), identity.conditions());
                best = better(best, Holds { facility: place.facility, strength });
            }
        }
        let Some(Holds { facility, strength: (proof, _) }) = best else { return Err(Recognised::Stranger) };
        Ok((Recognised::Known { facility, speaks_for: None }, proof))
    }

    /// The facilities that the message says it comes from.
    fn claims<'t>(&'t self, sender: &Sender<'t>) -> impl Iterator<Item = usize> + Clone + 't {
        let sender = *sender;
        by_code(&self.identities.claims, &sender)
            .filter(move |place| self.identity_at(*place).is_some_and(|identity| identity.holds_for_sender(&sender)))
            .map(|place| place.facility)
    }
}

struct Proven {
    owners: Vec<(usize, Proof)>,
    best: Option<Holds>,
}

/// What is filed under MSH-4, by its first component and as a whole.
fn by_code<'t>(
    map: &'t HashMap<Box<[u8]>, Vec<Place>>,
    sender: &Sender<'_>,
) -> impl Iterator<Item = Place> + Clone + use<'t> {
    let (whole, first) = sender.facility;
    let second = if whole == first { None } else { map.get(whole) };
    map.get(first).into_iter().chain(second).flatten().copied()
}
