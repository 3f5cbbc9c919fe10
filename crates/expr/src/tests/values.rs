//! What programs give.

use super::*;
use crate::{AnswerFacts, DeliveryFacts, Failure};

#[test]
fn fields_are_read_by_path_and_are_empty_where_the_message_has_none() {
    for (source, want) in [
        ("msg.type", "'ORU'"),
        ("msg.event", "'R01'"),
        ("msg.structure", "'ORU_R01'"),
        ("msg.version", "'2.5.1'"),
        ("msg.controlId", "'42'"),
        ("msg.sendingApplication", "'LAB'"),
        ("msg.receivingFacility", "'MSP'"),
        ("msg['PID-3[2].4']", "'NAT'"),
        ("msg['PID-5.2.1']", "'Aïssata'"),
        ("msg['PV1-2']", "'I'"),
        ("msg['PV1-40']", "''"),
        ("msg['ZZZ-1']", "''"),
        ("msg['OBX[3]-5']", "'R&D ^ ok'"),
        ("msg['OBX[*]-5']", "'5.4'"),
        ("msg.count('OBX')", "5"),
        ("msg.count('PID-3')", "2"),
        ("msg.all('OBX[*]-3.1')", "['GLU', 'NA', 'TXT', 'K', 'GLU']"),
        ("msg.all('PID-3[*].1')", "['A7', '9']"),
        ("msg.has('PID-5') && !msg.has('PID-19') && !msg.has('ZPI')", "true"),
    ] {
        assert_eq!(shown(source), want, "{source}");
    }
}

#[test]
fn the_delete_indicator_is_null_and_neither_empty_nor_a_value() {
    assert_eq!(shown("msg.isNull('PID-7')"), "true");
    assert_eq!(shown("msg['PID-7'] == null"), "true");
    assert_eq!(shown("msg['PID-7'] != ''"), "true");
    assert_eq!(shown("msg.isNull('PID-9') || msg['PID-9'] == null"), "false");
    assert_eq!(shown("msg['PV1-2'] == 'I' ? null : 'x'"), "'\"\"'");
}

#[test]
fn facts_about_the_sender_constants_and_the_clock_are_known() {
    for (source, want) in [
        ("facility.labels['region']", "'nouakchott'"),
        ("facility.labels.region", "'nouakchott'"),
        ("facility.labels['none']", "''"),
        ("'region' in facility.labels && !has(facility.labels.none)", "true"),
        ("facility.verified", "true"),
        ("const.country + '-' + facility.name", "'MRT-chn'"),
        ("date(received, 'yyyyMMddHHmm')", "'202611221015'"),
        ("date(received, 'yyyy-MM-dd HH:mm XXX', 'Europe/Paris')", "'2026-11-22 11:15 +01:00'"),
        ("received - duration('1h') < received", "true"),
        ("string(timestamp('2026-11-22T10:00:00+01:00'))", "'2026-11-22T09:00:00Z'"),
        ("date(msg['MSH-7'], 'dd/MM/yyyy')", "'22/11/2026'"),
    ] {
        assert_eq!(shown(source), want, "{source}");
    }
}

#[test]
fn items_of_a_loop_are_read_relative_to_where_they_stand() {
    for (source, want) in [
        ("obx['3']", "'TXT'"),
        ("obx['OBX-3']", "'TXT'"),
        ("obx['5']", "'R&D ^ ok'"),
        ("obx['6']", "''"),
        ("obx.text", "'OBX|3|ST|TXT||R\\T\\D \\S\\ ok'"),
        ("id['1']", "'9'"),
        ("id['4.1']", "'NAT'"),
        ("id.text", "'9^^^NAT'"),
        ("obx.has('5') && !obx.has('8')", "true"),
        ("index", "3"),
    ] {
        assert_eq!(shown(source), want, "{source}");
    }
}

#[test]
fn text_functions_count_characters_and_never_fail_on_a_short_text() {
    for (source, want) in [
        ("value.trim()", "'Ab-12'"),
        ("value.trim().upper()", "'AB-12'"),
        ("'Prélèvement'.upper()", "'PRÉLÈVEMENT'"),
        ("'Prélèvement'.upperAscii()", "'PRéLèVEMENT'"),
        ("'é'.size() + size('ab')", "3"),
        ("'abcdef'.substring(2)", "'cdef'"),
        ("'éàü'.substring(1, 2)", "'à'"),
        ("'abc'.substring(1, 99)", "'bc'"),
        ("'abc'.substring(9)", "''"),
        ("'abc'.charAt(1) + 'abc'.charAt(7)", "'b'"),
        ("'a,b,,c'.split(',')", "['a', 'b', '', 'c']"),
        ("'a,b,c'.split(',', 2)", "['a', 'b,c']"),
        ("'héy'.split('')", "['h', 'é', 'y']"),
        ("['a', 'b'].join('-')", "'a-b'"),
        ("'7'.padStart(3, '0')", "'007'"),
        ("'7'.padEnd(3) + '|'", "'7  |'"),
        ("'12345'.padStart(3, '0')", "'12345'"),
        ("'a-b-c'.replace('-', '')", "'abc'"),
        ("'éxé'.lastIndexOf('é')", "2"),
        ("'abc'.indexOf('z')", "-1"),
        ("matches('AB12', '^[A-Z]{2}[0-9]+$')", "true"),
        (r"'a7'.matches(r'^\w\d$')", "true"),
        ("string(7) + string(true)", "'7true'"),
    ] {
        assert_eq!(shown(source), want, "{source}");
    }
}

#[test]
fn lists_and_macros_work_over_segments() {
    for (source, want) in [
        ("msg.all('OBX[*]-3.1').exists(x, x == 'K')", "true"),
        ("msg.all('OBX[*]-3.1').all(x, x.size() >= 1)", "true"),
        ("msg.all('OBX[*]-3.1').exists_one(x, x == 'GLU')", "false"),
        ("msg.all('OBX[*]-3.1').filter(x, x != 'GLU').map(x, x.lower())", "['na', 'txt', 'k']"),
        ("msg.all('OBX[*]-3.1').map(x, x == 'GLU', x + '!').size()", "2"),
        ("msg.all('PID-3[*].4').exists(a, msg.all('OBX[*]-3').exists(b, a == 'NAT' && b == 'NA'))", "true"),
        ("{'I': 'IMP', 'O': 'AMB'}[msg['PV1-2']]", "'IMP'"),
        ("msg['PV1-2'] in {'I': 1, 'E': 2}", "true"),
        ("['a'] + ['b']", "['a', 'b']"),
        ("[]", "[]"),
    ] {
        assert_eq!(shown(source), want, "{source}");
    }
}

#[test]
fn a_failed_operand_does_not_matter_where_another_decides() {
    assert_eq!(shown("int(msg['OBX[3]-5']) > 3 || true"), "true");
    assert_eq!(shown("int(msg['OBX[3]-5']) > 3 && false"), "false");
    assert_eq!(shown("msg.all('OBX[*]-5').exists(x, double(x) > 100.0)"), "true");
    let error = eval("int(msg['OBX[3]-5']) > 3 || false").unwrap_err();
    assert_eq!((error.failure, error.offset), (Failure::NotANumber, 0));
}

#[test]
fn failures_name_the_place_in_the_source_and_no_value() {
    for (source, failure, offset) in [
        ("'x' + string(int(msg['PID-5.1']))", Failure::NotANumber, 13),
        ("1 + 7 / (3 - 3)", Failure::DivisionByZero, 4),
        ("9223372036854775807 + 1", Failure::Overflow, 0),
        ("[1, 2][2]", Failure::NoSuchItem, 0),
        ("{'a': 1}['b']", Failure::NoSuchKey, 0),
        ("date(msg['PID-5.1'], 'yyyy')", Failure::NotADate, 0),
        ("'abc'.substring(2, 1)", Failure::Argument, 0),
    ] {
        let error = eval(source).expect_err(source);
        assert_eq!((error.failure, error.offset), (failure, offset), "{source}");
        assert!(!error.to_string().contains("Diallo"));
    }
}

#[test]
fn a_text_result_takes_whole_numbers_and_conditions_are_bool() {
    let text = Program::compile("index + 1", &scope(), Type::Text).unwrap();
    assert_eq!(text.eval(&Case::of(ORU)).unwrap().into_text(), "4");
    assert!(Program::compile("index > 1", &scope(), Type::Text).unwrap_err().remedy.contains("? 'Y' : 'N'"));
    assert!(Program::compile("index", &scope(), Type::Bool).is_err());
    let when = Program::compile("msg.event in ['R01', 'R32']", &scope(), Type::Bool).unwrap();
    assert!(when.test(&Case::of(ORU)).unwrap());
}

#[test]
fn a_program_says_what_it_needs() {
    let program = compile("obx['5'] + value");
    assert!(program.uses_message() && program.uses_item() && program.uses(Variable::Value));
    assert!(!compile("const.country + 'x'").uses_message());
    assert_eq!(compile("'MOH'").constant(), Some("MOH"));
    assert_eq!(compile("const.country").constant(), Some("MRT"));
    assert_eq!(compile("msg.event").constant(), None);
}

#[test]
fn answers_and_deliveries_have_their_own_names() {
    let scope = Scope::new(Place::Answer);
    let source = "answer.code == 'AR' && answer.error == '205' || answer.status >= 500 && attempts < 3";
    let rule = Program::compile(source, &scope, Type::Bool).unwrap();
    let answer = AnswerFacts { code: "AR", error: "205", ..AnswerFacts::default() };
    assert!(rule.test(&answer).unwrap());
    assert!(!rule.test(&AnswerFacts { error: "204", ..answer }).unwrap());

    let scope = Scope::new(Place::Delivery);
    let name = "facility.namespace + '/' + delivery.route + '-' + date(received, 'yyyyMMdd') + '-' + msg.controlId";
    let name = Program::compile(name, &scope, Type::Text).unwrap();
    let message = message(ORU);
    let facts = DeliveryFacts {
        message: Some(&message),
        id: "d",
        route: "archive",
        part: 0,
        run: 0,
        uid: MessageUid::from_bytes([7; 16]),
        facility: "north/chn",
        received: Timestamp::from_millis(1_795_342_500_000),
    };
    assert_eq!(name.eval(&facts).unwrap().into_text(), "north/archive-20261122-42");
}

#[test]
fn values_do_not_show_themselves() {
    let value = Value::text("Diallo");
    assert_eq!(format!("{value:?}"), "Text(6 bytes)");
    assert!(!format!("{:?}", compile("msg['PID-5'] == 'Diallo'")).contains("Diallo"));
}
