//! Users of the NATS servers, one a service, with the least subjects it can work with, as text for the servers' configuration.
//!
//! A service that was taken over can do what it does and no more: delivery cannot add to what was received, ingress cannot read what goes out. The rights follow
//! from what a service appends, reads and trims; this is the one place that knows which requests those take. Streams are made and changed by one user of their
//! own. Keys are not divided: every service may read them and all but stages write them, except the log's identity.

use crate::name::{Family, Names};

/// A user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Makes and changes streams; everything else too. For the first start, and after a change of sizes.
    Setup,
    /// Takes messages: appends to IN.
    Ingress,
    /// Routes: reads IN, appends to OUT.
    Router,
    /// Delivers: reads OUT, appends outcomes, parks.
    Delivery,
    /// Reads everything into the history, and trims what has had its time.
    Ledger,
    /// Judges or maps what it is called with: of the log it needs the identity, with which lanes are made.
    Stage,
    /// Of the system account: sees whether servers sync, and nothing of any message.
    System,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Setup, Self::Ingress, Self::Router, Self::Delivery, Self::Ledger, Self::Stage, Self::System];

    /// Its name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Ingress => "ingress",
            Self::Router => "router",
            Self::Delivery => "delivery",
            Self::Ledger => "ledger",
            Self::Stage => "stage",
            Self::System => "system",
        }
    }

    /// Beginnings of the subjects it appends to, as (family, first tokens, with `*` for any one).
    fn appends(self) -> &'static [(Family, &'static str)] {
        match self {
            Self::Ingress => &[(Family::In, "in"), (Family::In, "refused")],
            // What leads from channel to channel comes back into IN, under a subject of its own.
            Self::Router => {
                &[(Family::In, "in.*.chained"), (Family::Out, "out"), (Family::Out, "routed"), (Family::Outcome, "")]
            }
            Self::Delivery => &[(Family::Park, "park"), (Family::Outcome, "")],
            // What people order, and the messages that they have made again.
            Self::Ledger => &[(Family::In, "in"), (Family::Outcome, "command")],
            Self::Setup | Self::Stage | Self::System => &[],
        }
    }

    fn reads(self) -> &'static [Family] {
        match self {
            Self::Ingress => &[Family::In],
            Self::Router => &[Family::In, Family::Out, Family::Outcome],
            Self::Delivery => &[Family::Out, Family::Park, Family::Outcome],
            Self::Ledger => &Family::ALL,
            Self::Setup | Self::Stage | Self::System => &[],
        }
    }

    fn trims(self) -> &'static [Family] {
        match self {
            // Of what it refused it keeps a bounded number.
            Self::Ingress => &[Family::In],
            Self::Delivery => &[Family::Park],
            // One of its processes gives back what has had its time.
            Self::Ledger => &[Family::In, Family::Out, Family::Outcome],
            Self::Router | Self::Stage | Self::Setup | Self::System => &[],
        }
    }
}

/// What inboxes of a user begin with: each listens to its own answers only. By its public key, which it knows from its seed.
#[must_use]
pub fn inbox(public_key: &str) -> String {
    format!("_INBOX.{public_key}")
}

/// Subjects that a user may publish to and subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// May publish.
    pub publish: Vec<String>,
    /// May not publish, though a wider subject is allowed.
    pub deny: Vec<String>,
    /// May subscribe.
    pub subscribe: Vec<String>,
}

impl Rights {
    /// The least a role needs; none if the installation's name cannot be one.
    #[must_use]
    pub fn of(role: Role, public_key: &str, installation: &str) -> Option<Self> {
        let names = Names::new(installation)?;
        let mut rights = Self { subscribe: vec![format!("{}.>", inbox(public_key))], ..Self::default() };
        match role {
            Role::System => {
                rights.publish.push("$SYS.REQ.SERVER.PING.VARZ".into());
                rights.subscribe.push("$SYS.SERVER.*.STATSZ".into());
            }
            Role::Setup => {
                let own = format!("barid.{installation}.>");
                rights.publish.extend(["$JS.API.>".into(), "$JS.FC.>".into(), own, names.keys_subjects()]);
            }
            _ => rights.service(role, &names),
        }
        Some(rights)
    }

    fn service(&mut self, role: Role, names: &Names) {
        let api = |what: &str, stream: &str| format!("$JS.API.{what}.{stream}");
        let families = Family::ALL.map(|family| names.stream(family));
        self.publish.push("$JS.API.INFO".into());
        let all = families.into_iter().chain([names.objects(), names.keys()]);
        self.publish.extend(all.map(|stream| api("STREAM.INFO", &stream)));
        let read = role.reads().iter().map(|family| names.stream(*family));
        for stream in read.chain([names.keys()]) {
            self.publish.push(api("STREAM.MSG.GET", &stream));
            self.publish.push(api("DIRECT.GET", &stream));
            for consumer in ["CREATE", "INFO", "DELETE", "MSG.NEXT"] {
                self.publish.push(api(&format!("CONSUMER.{consumer}"), &format!("{stream}.>")));
            }
            // Consumers with none or several filters are made by a request that ends with the stream's name.
            self.publish.push(api("CONSUMER.CREATE", &stream));
            self.publish.push(format!("$JS.FC.{stream}.>"));
        }
        // Large payloads are read by subject, so that who reads one family's cannot read another's.
        let objects = names.objects();
        let token = |family: Family| names.objects_prefix(family);
        for prefix in role.reads().iter().flat_map(|family| token(*family)) {
            self.publish.push(api("DIRECT.GET", &format!("{objects}.{prefix}>")));
        }
        for (family, first) in role.appends() {
            let blocks = names.address_prefix(*family);
            if first.is_empty() {
                self.publish.push(format!("{blocks}>"));
                self.publish.extend(names.objects_prefix(*family).into_iter().map(|prefix| format!("{prefix}>")));
            } else {
                // A first token alone is a subject too.
                self.publish.extend([format!("{blocks}{first}"), format!("{blocks}{first}.>")]);
                self.publish.push(names.objects_under(first));
            }
        }
        let trimmed = role.trims().iter().map(|family| names.stream(*family));
        for stream in trimmed.chain((!role.trims().is_empty()).then_some(objects.clone())) {
            self.publish.push(api("STREAM.PURGE", &stream));
        }
        if role != Role::Stage {
            self.publish.push(names.keys_subjects());
            self.deny.push(names.identity());
        }
        self.publish.dedup();
    }
}

/// The accounts of the servers' configuration: `BARID` with these users, and `SYS` for those of [`Role::System`]. None if the installation's name cannot be one.
#[must_use]
pub fn accounts(installation: &str, users: &[(Role, String)]) -> Option<String> {
    let mut own = String::new();
    let mut system = String::new();
    for (role, public_key) in users {
        let rights = Rights::of(*role, public_key, installation)?;
        let list = |subjects: &[String]| {
            let quoted: Vec<String> = subjects.iter().map(|subject| format!("          {subject:?}")).collect();
            format!("[\n{}\n        ]", quoted.join("\n"))
        };
        let publish = match rights.deny.as_slice() {
            [] => format!("publish: {}", list(&rights.publish)),
            deny => format!("publish: {{ allow: {}, deny: {} }}", list(&rights.publish), list(deny)),
        };
        let text = format!(
            "    # {}\n    {{ nkey: {public_key}, permissions: {{\n        {publish}\n        subscribe: {}\n    }} }}\n",
            role.name(),
            list(&rights.subscribe),
        );
        (if *role == Role::System { &mut system } else { &mut own }).push_str(&text);
    }
    let mut out = String::from("accounts {\n");
    for (name, jetstream, users) in [("BARID", "jetstream: enabled, ", own), ("SYS", "", system)] {
        out.push_str(&format!("  {name} {{ {jetstream}users: [\n{users}  ] }}\n"));
    }
    out.push_str("}\nsystem_account: SYS\n");
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publishes(role: Role) -> Vec<String> {
        Rights::of(role, "UX", "main").unwrap().publish
    }

    #[test]
    fn nobody_appends_to_or_reads_what_is_not_its_own() {
        let has = |role, subject: &str| publishes(role).iter().any(|allowed| allowed == subject);
        assert!(has(Role::Ingress, "barid.main.in.in.>") && !has(Role::Delivery, "barid.main.in.in.>"));
        assert!(has(Role::Router, "barid.main.in.in.*.chained") && !has(Role::Router, "barid.main.in.in.>"));
        assert!(has(Role::Router, "barid.main.objects.in.*.chained.>"));
        assert!(has(Role::Delivery, "$JS.API.DIRECT.GET.barid-main-out"));
        assert!(!has(Role::Ingress, "$JS.API.DIRECT.GET.barid-main-out"));
        assert!(!has(Role::Ingress, "$JS.API.DIRECT.GET.barid-main-objects"), "payloads by subject only");
        assert!(!publishes(Role::Stage).iter().any(|subject| !subject.starts_with("$JS.")), "stages write nothing");
        for role in [Role::Ingress, Role::Router, Role::Delivery, Role::Ledger, Role::Stage] {
            let wide = publishes(role).into_iter().find(|subject| subject.starts_with("$JS.API.>"));
            assert_eq!(wide, None, "{role:?}");
            assert!(!publishes(role).iter().any(|subject| subject.contains("STREAM.UPDATE")), "{role:?}");
        }
    }

    #[test]
    fn a_name_that_could_widen_a_right_is_refused() {
        assert_eq!(Rights::of(Role::Ingress, "UX", "a.>"), None);
        assert_eq!(accounts("*", &[(Role::Ledger, "UX".into())]), None);
    }
}
