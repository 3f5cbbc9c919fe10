//! Each field that can be wrong: its line, its name, and the remedy.

use super::*;

/// The error of a channel's own lines; they begin at line 13.
fn channel_error(lines: &str) -> String {
    the_error(&set(lines))
}

#[test]
fn expressions_are_checked_with_their_place_and_remedy() {
    let error = channel_error("filter: \"msg.evnt == 'A01'\"\nroutes: [{name: r, to: {destination: out}}]");
    assert!(error.starts_with("x.yaml:15:11: error: Channel c: spec.filter: "), "{error}");
    assert!(error.contains("`evnt`") && error.contains("msg.event"), "{error}");
    let error = channel_error(
        "routes:\n  - name: r\n    to: {destination: out}\n    when: \"msg.type == 'ADT' && msg['PID-3.x'] == ''\"",
    );
    assert!(
        error.starts_with("x.yaml:18:13: error: Channel c: spec.routes[0].when: ") && error.contains("PID-3.x"),
        "{error}"
    );
    let error =
        the_error(&set(ROUTES).replace("listeners: [{name: in}]", "listeners: [{name: in}], when: \"msg.type\""));
    assert!(error.contains("spec.from.when") && error.contains("true or false is wanted"), "{error}");
}

#[test]
fn mapping_steps_are_checked_where_they_stand() {
    let error = channel_error(
        "transform:\n  - set: {path: MSH-5, to: \"'MOH'\"}\n  - copy: {from: PID-3, to: PID-0}\nroutes: [{name: r, to: {destination: out}}]",
    );
    assert!(error.starts_with("x.yaml:17:31: error: Channel c: spec.transform[1].copy.to: "), "{error}");
    let error = channel_error("routes:\n  - name: r\n    to: {destination: out}\n    transform: [{when: \"true\"}]");
    assert!(
        error.starts_with("x.yaml:18:19: error: Channel c: spec.routes[0].transform[0]: the step does nothing"),
        "{error}"
    );
}

#[test]
fn a_fault_in_a_mapping_is_told_in_the_mapping() {
    let mapping =
        "---\nkind: Mapping\nmetadata: {name: m}\nspec:\n  steps:\n    - set: {path: PID-3, to: \"msg.tipe\"}\n";
    let compiled =
        compiled(&format!("{}{mapping}", set(&format!("transform: [{{apply: {{mapping: {{name: m}}}}}}]\n{ROUTES}"))));
    let all = texts(&compiled);
    assert!(
        all[1].starts_with("x.yaml:22:30: error: Mapping m: spec.steps[0].set.to: ") && all[1].contains("msg.type"),
        "{all:#?}"
    );
    assert!(
        all[0].contains(
            "Channel c: spec.transform[0].apply.mapping: Mapping m has errors and no good version yet: correct it first"
        ),
        "{all:#?}"
    );
    assert_eq!(all.len(), 2, "{all:#?}");
}

#[test]
fn a_mapping_that_uses_the_item_of_a_loop_is_checked_where_it_is_applied() {
    let mapping =
        "---\nkind: Mapping\nmetadata: {name: m}\nspec:\n  steps:\n    - set: {path: item-8, to: \"item['5']\"}\n";
    let steps = "transform:\n  - apply: {mapping: {name: m}}\n    forEach: \"OBX[*]\"\n";
    good(&format!("{}{mapping}", set(&format!("{steps}{ROUTES}"))));
    let wrong = mapping.replace("item['5']", "itm['5']");
    let error = the_error(&format!("{}{wrong}", set(&format!("{steps}{ROUTES}"))));
    assert!(error.contains("Mapping m: spec.steps[0].set.to: ") && error.contains("(applied by Channel c)"), "{error}");
}

#[test]
fn a_channel_that_contradicts_itself_is_refused() {
    for (lines, wanted) in [
        (format!("ack: {{route: x}}\n{ROUTES}"), "spec.ack.route: there is no route `x`: routes here: `r`"),
        (
            "ack: {after: delivered}\nroutes: [{name: r, to: {destination: out}}, {name: s, to: {destination: out}}]\n"
                .to_owned(),
            "spec.ack: it is not clear whose answer the sender waits for: name the route in ack.route",
        ),
        (format!("retention: {{payload: 3y}}\n{ROUTES}"), "spec.retention: metadata would be gone before"),
        (
            format!("duplicates: {{window: 31d}}\n{ROUTES}"),
            "spec.duplicates.window: more than 30 days are not remembered: write 0s to 30d",
        ),
        (format!("order: {{by: expression}}\n{ROUTES}"), "spec.order: the expression is missing"),
        (
            format!("order: {{by: facility, path: PID-3}}\n{ROUTES}"),
            "spec.order: path and authority belong to `by: patient`",
        ),
        (format!("order: {{by: patient, path: PID-3.1}}\n{ROUTES}"), "spec.order.path: `PID-3.1` is not a whole field"),
        (
            format!("index: [{{name: visit, path: PV1}}, {{name: visit, path: PV1-19}}]\n{ROUTES}"),
            "spec.index[1].name: the search key `visit` is there already",
        ),
        (
            format!("index: [{{name: patient, path: PID-3}}]\n{ROUTES}"),
            "spec.index[0].name: the search key `patient` is there already",
        ),
        (
            "routes: [{name: r, to: {destination: out}}, {name: r, to: {destination: out}}]\n".to_owned(),
            "spec.routes[1].name: there are two routes `r`",
        ),
        (
            "routes: [{name: r, to: {destination: out, channel: c}}]\n".to_owned(),
            "spec.routes[0].to: a route leads to exactly one of `destination` and `channel`",
        ),
        (
            "routes: [{name: r, to: {destination: out}, outbound: {charset: UNICODE UTF-16}}]\n".to_owned(),
            "cannot be framed or split safely",
        ),
        (format!("ack: {{timeout: 1h}}\n{ROUTES}"), "spec.ack.timeout: the time is out of range: write 1s to 10m"),
    ] {
        let compiled = compiled(&set(&lines));
        let all = texts(&compiled).join("\n");
        assert!(all.contains(wanted), "{lines}: {all}");
        assert!(compiled.snapshot.channels.is_empty() && compiled.snapshot.invalid.contains_key(&name("c")));
    }
}

#[test]
fn listeners_are_checked() {
    let listener = |spec: &str| the_error(&format!("kind: Listener\nmetadata: {{name: l}}\nspec: {spec}\n"));
    for (spec, wanted) in [
        ("{}", "none of `mllp`, `https` is there: write exactly one of them"),
        ("{mllp: {port: 1, address: 127.0.0.1}, https: {port: 2}}", "`mllp` and `https` exclude each other"),
        (
            "{mllp: {port: 1, address: localhost}}",
            "x.yaml:3:33: error: Listener l: spec.mllp.address: `localhost` is not an IP address",
        ),
        ("{mllp: {port: 1, release: 3}}", "spec.mllp.release: MLLP has no release 3: write 1 or 2"),
        ("{mllp: {port: 1, pipeline: 0}}", "spec.mllp.pipeline: 0 is out of range: write 1 to 1024"),
        (
            "{mllp: {port: 1}, limits: {messageBytes: 1B}}",
            "spec.limits.messageBytes: 1B is out of range: write 1Ki to 256Mi",
        ),
        ("{mllp: {port: 1}, limits: {idle: 0s}}", "spec.limits.idle: 0s is out of range: write 1s to 1d"),
        (
            "{mllp: {port: 1}, identify: certificate}",
            "spec.identify: nobody is asked for a certificate here: set tls.clientAuth to required",
        ),
        ("{mllp: {port: 1}, identify: token}", "spec.identify: MLLP carries no tokens"),
        (
            "{mllp: {port: 1}, tls: {certificate: {secret: ../x}}}",
            "spec.tls.certificate.secret: `../x` cannot be the name of a secret",
        ),
        (
            "{mllp: {port: 1}, tls: {certificate: {secret: x}, ca: {secret: z}}}",
            "spec.tls.ca: nobody is asked for a certificate",
        ),
        ("{https: {port: 1, paths: [hl7]}}", "spec.https.paths[0]: `hl7` is not a path"),
    ] {
        let text = format!("kind: Listener\nmetadata: {{name: l}}\nspec: {spec}\n");
        let all = texts(&compiled(&text)).join("\n");
        assert!(all.contains(wanted), "{spec}: {all}");
    }
    assert!(listener("{mllp: {port: 1, address: 127.0.0.1, mode: lax}}").contains("`tolerant`, `strict`"));
}

#[test]
fn facilities_are_checked() {
    for (spec, wanted) in [
        ("{identities: []}", "spec.identities: there is no way to recognise this facility"),
        (
            "{identities: [{}]}",
            "x.yaml:3:21: error: Facility f: spec.identities[0]: the identity asks for nothing, so everybody would match",
        ),
        ("{identities: [{msh: {}}]}", "spec.identities[0].msh: the message is asked for nothing"),
        (
            "{identities: [{addresses: [10.0.0.1/8]}]}",
            "spec.identities[0].addresses[0]: 10.0.0.1/8 has bits set beyond its prefix: write 10.0.0.0/8",
        ),
        (
            "{identities: [{certificate: {fingerprint: abc}}]}",
            "spec.identities[0].certificate.fingerprint: this is not a SHA-256",
        ),
        (
            "{identities: [{token: {secret: s}}]}",
            "spec.identities[0].token: a secret is `secret` and `key`, or `env` alone",
        ),
        ("{identities: [{msh: {sendingFacility: X}}], fallbackCharset: utf-16}", "spec.fallbackCharset: `utf-16`"),
        (
            "{identities: [{msh: {sendingFacility: X}}], timeZone: Nouakchott}",
            "spec.timeZone: `Nouakchott` is not a time zone: write an IANA name such as Africa/Nouakchott",
        ),
        (
            "{identities: [{msh: {sendingFacility: X}}], expect: {every: 5s}}",
            "spec.expect.every: 5s is out of range: write 1m to 1y",
        ),
        (
            "{identities: [{msh: {sendingFacility: X}}], limits: {messagesPerSecond: 50, burst: 1}}",
            "spec.limits.burst: 1 is out of range: write 50 to",
        ),
        (
            "{identities: [{msh: {sendingFacility: X}, listener: {name: nowhere}}]}",
            "spec.identities[0].listener.name: there is no Listener nowhere",
        ),
        (
            "{identities: [{msh: {sendingFacility: X}}], speaksFor: [{name: g}]}",
            "spec.speaksFor[0].name: there is no Facility g",
        ),
    ] {
        let all = texts(&compiled(&format!("kind: Facility\nmetadata: {{name: f}}\nspec: {spec}\n"))).join("\n");
        assert!(all.contains(wanted), "{spec}: {all}");
    }
}

#[test]
fn destinations_are_checked() {
    for (spec, wanted) in [
        ("{}", "spec: none of `mllp`, `http`, `file` is there"),
        ("{mllp: {endpoints: []}}", "spec.mllp.endpoints: there is no endpoint"),
        (
            "{mllp: {endpoints: [\"x:2575\"], awaitAck: commit}}",
            "spec.mllp.awaitAck: release 1 has no commit block: write `release: 2`, or `awaitAck: first`",
        ),
        (
            "{mllp: {endpoints: [registry]}}",
            "x.yaml:3:27: error: Destination d: spec.mllp.endpoints[0]: `registry` is not a host and port",
        ),
        ("{mllp: {endpoints: [\"::1:2575\"]}}", "is not a host and port"),
        (
            "{mllp: {endpoints: [\"x:2575\"], connections: 65}}",
            "spec.mllp.connections: 65 is out of range: write 1 to 64",
        ),
        ("{http: {url: \"ftp://x\"}}", "spec.http.url: `ftp://x` is not an HTTP URL"),
        (
            "{http: {url: \"https://u:p@x/\"}}",
            "spec.http.url: the URL carries a user or password: use http.auth with a secret",
        ),
        (
            "{http: {url: \"https://x/\", method: GET}}",
            "spec.http.method: `GET` cannot carry a message: write POST or PUT",
        ),
        (
            "{http: {url: \"https://x/\", headers: [{name: Host, value: \"'x'\"}]}}",
            "spec.http.headers[0].name: `Host` is written by Barid itself",
        ),
        ("{http: {url: \"https://x/\", headers: [{name: X-A, value: \"value\"}]}}", "spec.http.headers[0].value"),
        ("{http: {url: \"https://x/\", auth: {}}}", "spec.http.auth: none of `bearer`, `basic` is there"),
        (
            "{http: {url: \"http://x/\", auth: {bearer: {env: T}}}}",
            "warning: Destination d: spec.http.auth: credentials travel in the clear",
        ),
        ("{file: {directory: ../x}}", "spec.file.directory: `../x` is not a folder Barid writes to"),
        ("{file: {directory: x, name: \"msg.controlId +\"}}", "spec.file.name"),
        ("{file: {directory: x, mode: \"0755\"}}", "spec.file.mode: `0755` is no mode of files with messages"),
        ("{file: {directory: x, mode: \"0440\"}}", "spec.file.mode: `0440`"),
        ("{file: {directory: x, mode: rw}}", "spec.file.mode: `rw`"),
        ("{file: {directory: x}, tls: {}}", "spec.tls: files need no TLS"),
        ("{file: {directory: x}, timeout: 1ms}", "spec.timeout: 1ms is out of range: write 100ms to 10m"),
        ("{file: {directory: x}, retry: {initial: 10m}}", "spec.retry: the first pause is longer than the longest"),
        ("{file: {directory: x}, answers: [{when: \"msg.type == 'ADT'\", then: retry}]}", "spec.answers[0].when"),
        ("{file: {directory: x}, retry: {unanswered: 1}}", "spec.retry.unanswered: 1 is out of range: write 2 to 1000"),
        ("{file: {directory: x}, repeatBound: 0}", "spec.repeatBound: 0 is out of range: write 1 to 64"),
        ("{file: {directory: x}, outbound: {charset: klingon}}", "spec.outbound.charset: `klingon`"),
        (
            "{file: {directory: x}, outbound: {onUnmappable: fail}}",
            "warning: Destination d: spec.outbound.onUnmappable: without a charset nothing is converted",
        ),
        ("{file: {directory: x}, backlog: {messages: 0}}", "spec.backlog.messages: no message could ever wait"),
    ] {
        let all = texts(&compiled(&format!("kind: Destination\nmetadata: {{name: d}}\nspec: {spec}\n"))).join("\n");
        assert!(all.contains(wanted), "{spec}: {all}");
    }
}

#[test]
fn code_tables_and_constants_are_checked() {
    let error = the_error(
        "kind: CodeTable\nmetadata: {name: t}\nspec:\n  rows:\n    - {from: A, to: B}\n    - {from: A, to: C}\n",
    );
    assert!(
        error.starts_with("x.yaml:6:14: error: CodeTable t: spec.rows[1].from: `A` stands in row 0 already"),
        "{error}"
    );
    let error = the_error("kind: Exchange\nmetadata: {name: e}\nspec: {constants: {a-b: x}}\n");
    assert!(error.contains("spec.constants.a-b: `a-b` cannot be used as const.a-b"), "{error}");
}

#[test]
fn defaults_of_the_exchange_are_checked_like_what_they_stand_for() {
    for (defaults, wanted) in [
        (
            "ack: {route: r}",
            "spec.defaults.ack.route: routes belong to a channel: name the route in the channel's ack.route",
        ),
        (
            "validate: {profile: {name: p}}",
            "spec.defaults.validate.profile: a profile fits some messages and not others",
        ),
        (
            "timeout: 1h",
            "x.yaml:3:28: error: Exchange e: spec.defaults.timeout: 1h is out of range: write 100ms to 10m",
        ),
        ("retry: {max: 2h}", "spec.defaults.retry.max: 2h is out of range"),
        ("backlog: {messages: 0}", "spec.defaults.backlog.messages: no message could ever wait"),
    ] {
        let error = the_error(&format!("kind: Exchange\nmetadata: {{name: e}}\nspec: {{defaults: {{{defaults}}}}}\n"));
        assert!(error.contains(wanted), "{defaults}: {error}");
    }
}

#[test]
fn tests_that_could_never_fail_are_refused() {
    let test = |case: &str| {
        let text = format!(
            "{}---\nkind: ChannelTest\nmetadata: {{name: t}}\nspec:\n  channel: {{name: c}}\n  cases:\n    - {case}\n",
            set(ROUTES)
        );
        texts(&compiled(&text)).join("\n")
    };
    for (case, wanted) in [
        (
            "{name: x, send: {text: M}, expect: {}}",
            "x.yaml:22:34: error: ChannelTest t: spec.cases[0].expect: the case asserts nothing, so it could never fail",
        ),
        ("{name: x, send: {}, expect: {ack: AA}}", "spec.cases[0].send: none of `file`, `text` is there"),
        (
            "{name: x, send: {file: ../x}, expect: {ack: AA}}",
            "spec.cases[0].send.file: `../x` is not a file beside the documents",
        ),
        (
            "{name: x, send: {text: M}, expect: {ack: OK}}",
            "spec.cases[0].expect.ack: `OK` is no acknowledgement code: write one of AA, AE",
        ),
        (
            "{name: x, send: {text: M}, expect: {routes: [{name: q, filtered: true}]}}",
            "expect.routes[0].name: the channel has no route `q`: routes there: r",
        ),
        (
            "{name: x, send: {text: M}, expect: {routes: [{name: r}]}}",
            "expect.routes[0]: nothing is asserted of this route",
        ),
        (
            "{name: x, send: {text: M}, expect: {routes: [{name: r, fields: [{path: PID-3}]}]}}",
            "fields[0]: none of `is`, `matches`, `absent`, `null` is there",
        ),
        (
            "{name: x, send: {text: M}, expect: {routes: [{name: r, fields: [{path: PID-3, matches: \"(\"}]}]}}",
            "fields[0].matches: this is not a regular expression",
        ),
        (
            "{name: x, send: {text: M}, expect: {routes: [{name: r, fields: [{path: PID-3, absent: false}]}]}}",
            "fields[0].absent: `false` says nothing here",
        ),
        (
            "{name: x, send: {text: M, facility: f}, expect: {ack: AA}}",
            "spec.cases[0].send.facility: there is no Facility f",
        ),
    ] {
        let all = test(case);
        assert!(all.contains(wanted), "{case}: {all}");
    }
}
