//! What is refused: the place, what is wrong, what would be right.

use super::*;
use crate::did_you_mean;

/// Source with `^` in front of the place of the error; words of its text; words of its remedy.
const WRONG: &[(&str, &str, &str)] = &[
    // names
    ("^mgs.type == 'ADT'", "`mgs` is not known", "did you mean msg?"),
    ("msg.^evnt == 'A01'", "`msg` has no `evnt`", "did you mean msg.event?"),
    ("msg.^Event == 'A01'", "`msg` has no `Event`", "did you mean msg.event?"),
    ("msg.^patient", "`msg` has no `patient`", "msg['PID-3.1']"),
    ("facility.^lables['region'] == 'x'", "no `lables`", "did you mean facility.labels?"),
    ("facility.^labels", "no value by themselves", "facility.labels['region']"),
    ("const.^contry", "no constant `contry`", "did you mean const.country?"),
    ("^PID", "`PID` is not known", "msg['PID']"),
    ("msg.type == ^ADT", "`ADT` is not known", "msg['ADT']"),
    ("msg.event == ^emergency", "not known", "put text in quotes"),
    ("^answer.code == 'AA'", "`answer` is not known", "it is not known in a mapping step"),
    ("^msg", "by itself is no value", "such as msg['PID-3.1']"),
    ("^obx == 'x'", "whole segment", "obx['5.1']"),
    ("^id == 'x'", "whole repetition", "id['4.1']"),
    // paths
    ("msg['^pid-3']", "not an HL7 path", "upper case; write `PID`"),
    ("msg['PID^.3']", "not an HL7 path", "write `-` between segment and field"),
    ("msg['PID-3^[0]']", "not an HL7 path", "the first is `[1]`"),
    ("msg[^'PI' + 'D']", "a path is text in quotes", "forEach"),
    ("msg.all('OBX-^')", "not an HL7 path", "field number is missing"),
    ("obx['^PID-3']", "not inside the item", "segment OBX; write `'5.1'`"),
    ("id['^5.6.7']", "not an HL7 path", "ends after the subcomponent"),
    ("msg.^al('OBX')", "no function `al`", "did you mean msg.all('..')?"),
    ("msg.^upper()", "no function `upper`", "msg['..'].upper()"),
    // types
    ("^msg['PV1-2'] == 5", "`==` does not take text and a whole number", "put the number in quotes"),
    ("^index + 'x'", "`+` does not take", "string()"),
    ("^1 + 1.5", "does not take", "double()"),
    ("msg.event == 'A01' && ^msg['PV1-2']", "`&&` needs true or false, and this is text", "!= ''"),
    ("!^index", "needs true or false", "> 0"),
    ("true ? 'a' : ^1", "of one type", "string()"),
    ("['a', ^1]", "of one type", "string()"),
    ("^1 in ['a']", "never in", "one type"),
    ("'a' in ^'abc'", "needs a list on its right", "['A01', 'A04']"),
    ("^facility.verified == 'yes'", "does not take", "by itself"),
    ("^received > '2026'", "does not take", "date()"),
    ("^'abc'.exists(x, x == 'a')", "goes over a list, and this is text", "msg.all"),
    ("value[^'x']", "no parts in brackets", ".substring(0, 4)"),
    // functions
    ("value.^uper()", "no function `uper`", "did you mean upper()?"),
    ("^upper(value)", "called on a value", "value.upper()"),
    ("value.^date('yyyy')", "not called on a value", "date("),
    ("value.^substring()", "takes 1 to 2 arguments, not 0", "value.substring(0, 4)"),
    ("value.padStart(^'8')", "takes a whole number, and this is text", "int()"),
    ("value.matches(^'(')", "not a regular expression: unclosed group", "regex crate"),
    ("value.matches(^msg['PID-1'])", "text in quotes here", "matches"),
    ("date(received, ^'YYYY')", "`YYYY` means nothing", "yyyy MM dd"),
    ("date(received, 'yyyy', ^'Nouakchott')", "no time zone", "IANA"),
    ("msg.all('OBX[*]-5').exists(^msg, true)", "already the name", "choose another"),
    ("msg.all('OBX[*]-5').exists(^index, true)", "already the name", "choose another"),
    ("msg.all('OBX[*]-5').^exists(true)", "takes a name and an expression", "exists(x, x == 'A')"),
    ("^has(msg['PID-3'])", "takes a part of a map", "msg.has('PID-19')"),
    // syntax
    ("msg.event ^= 'A01'", "`=` means nothing here", "write `==`"),
    ("msg.event == 'A01' ^& true", "means nothing", "write `&&`"),
    ("msg.event == 'A01' ^and true", "not expected", "write `&&` for and"),
    ("msg.event == ^’A01’", "means nothing", "straight quotes"),
    ("msg.event == ^'A01", "has no end", "close it with '"),
    ("msg.event in ['A01', 'A04'^", "the end is not expected", "`,` or `]`"),
    ("value == 'a^\\q'", "escape is not known", "r'\\d+'"),
    ("1^u", "no unsigned numbers", "remove the `u`"),
    ("^b'abc'", "no bytes", "remove the `b`"),
    ("7^abc", "follows a number", "quotes"),
    ("^99999999999999999999", "out of range", "64 bits"),
    ("(msg.type == 'ADT'^", "the end is not expected", "`)`"),
    ("^", "the expression is empty", "msg.type"),
];

#[test]
fn every_fault_is_named_with_its_place_and_remedy() {
    let mut wrong = Vec::new();
    for (marked, text, remedy) in WRONG {
        let at = marked.find('^').unwrap();
        let error = refused(&marked.replacen('^', "", 1));
        let right = error.offset == at && error.text.contains(text) && error.remedy.contains(remedy);
        if !right || error.remedy.is_empty() {
            wrong.push(format!("{marked}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn offsets_count_bytes_so_that_accents_do_not_move_them() {
    assert_eq!(refused("'é' == msg.evnt").offset, "'é' == msg.".len());
    assert_eq!(refused("msg['PID-5'] == 'é' && x").offset, "msg['PID-5'] == 'é' && ".len());
}

#[test]
fn names_are_known_only_in_their_place() {
    let places = [Place::Message, Place::Step, Place::Answer, Place::Delivery];
    for entry in crate::VARIABLES {
        for place in places {
            let scope = if entry.name == "index" { Scope { place, ..scope() } } else { Scope::new(place) };
            let compiled = Program::compile(entry.name, &scope, Type::Any);
            assert_eq!(compiled.is_ok(), entry.places.contains(&place), "{} in {place:?}", entry.name);
        }
    }
    let outside = Program::compile("index", &Scope::new(Place::Step), Type::Any).unwrap_err();
    assert!(outside.text.contains("only inside forEach"));
}

#[test]
fn every_function_of_the_reference_compiles_as_its_example_shows() {
    for entry in crate::FUNCTIONS {
        let example = compile(entry.example);
        assert!(entry.example.contains(entry.name), "{}", entry.name);
        assert_ne!(*example.kind(), Type::Any);
    }
}

#[test]
fn the_nearest_name_is_meant_and_a_far_one_is_not() {
    let known = ["event", "type", "version"];
    assert_eq!(did_you_mean("evetn", known), Some("event"));
    assert_eq!(did_you_mean("tpye", known), Some("type"));
    assert_eq!(did_you_mean("patient", known), None);
}
