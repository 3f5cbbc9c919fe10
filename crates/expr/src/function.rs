//! The functions an expression may call: one table for the checker, "did you mean" and the docs.

use crate::kind::Type;

/// What a function does at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Size,
    Int,
    Double,
    String,
    Date,
    Timestamp,
    Duration,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Upper,
    Lower,
    UpperAscii,
    LowerAscii,
    Trim,
    Replace,
    Split,
    Join,
    Substring,
    PadStart,
    PadEnd,
    IndexOf,
    LastIndexOf,
    CharAt,
}

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arg {
    Int,
    /// A number or text.
    Plain,
    Text,
    /// Text in quotes, checked when the program is compiled.
    Literal,
    Texts,
    /// Text in HL7's form, or a time.
    Moment,
    /// Anything that can be written as text.
    Writable,
    /// What has a size.
    Sized,
}

impl Arg {
    pub(crate) fn takes(self, found: &Type) -> bool {
        match self {
            Self::Int => *found == Type::Int,
            Self::Text | Self::Literal => *found == Type::Text,
            Self::Plain => matches!(found, Type::Int | Type::Double | Type::Text),
            Self::Texts => matches!(found, Type::List(item) if matches!(**item, Type::Text | Type::Any)),
            Self::Moment => matches!(found, Type::Text | Type::Time),
            Self::Writable => !matches!(found, Type::List(_) | Type::Map(_) | Type::Any),
            Self::Sized => matches!(found, Type::Text | Type::List(_) | Type::Map(_)),
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Int => "a whole number",
            Self::Plain => "text or a number",
            Self::Text => "text",
            Self::Literal => "text in quotes",
            Self::Texts => "a list of texts",
            Self::Moment => "text or a time",
            Self::Writable => "text, a number, true or false, a time or a duration",
            Self::Sized => "text, a list or a map",
        }
    }
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    Bool,
    Int,
    Double,
    Text,
    Texts,
    Time,
    Duration,
}

impl Gives {
    pub(crate) fn kind(self) -> Type {
        match self {
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Double => Type::Double,
            Self::Text => Type::Text,
            Self::Texts => Type::texts(),
            Self::Time => Type::Time,
            Self::Duration => Type::Duration,
        }
    }
}

/// One function in the reference.
#[derive(Debug, Clone, Copy)]
pub struct FunctionEntry {
    /// Its name.
    pub name: &'static str,
    /// How it is called, by example.
    pub example: &'static str,
    /// What it does.
    pub text: &'static str,
    pub(crate) function: Function,
    /// What it is called on, for methods.
    pub(crate) target: Option<Arg>,
    pub(crate) args: &'static [Arg],
    /// How many of `args` may be left out, from the end.
    pub(crate) optional: usize,
    pub(crate) gives: Gives,
}

impl FunctionEntry {
    /// Whether it is written after a value and a dot.
    #[must_use]
    pub const fn is_method(&self) -> bool {
        self.target.is_some()
    }
}

macro_rules! functions {
    ($($name:literal $function:ident ($($target:ident)?) [$($arg:ident),*] $optional:literal -> $gives:ident, $example:literal, $text:literal;)*) => {
        /// All functions but the macros (`has`, `all`, `exists`, `exists_one`, `map`, `filter`) and those of `msg` and items
        /// (`all`, `count`, `has`, `isNull`).
        pub const FUNCTIONS: &[FunctionEntry] = &[$(FunctionEntry {
            name: $name,
            example: $example,
            text: $text,
            function: Function::$function,
            target: functions!(@target $($target)?),
            args: &[$(Arg::$arg),*],
            optional: $optional,
            gives: Gives::$gives,
        }),*];
    };
    (@target) => { None };
    (@target $target:ident) => { Some(Arg::$target) };
}

functions! {
    "size" Size () [Sized] 0 -> Int, "size(msg['PID-5'])", "how many characters, items or entries";
    "size" Size (Sized) [] 0 -> Int, "msg['PID-5'].size()", "how many characters, items or entries";
    "int" Int () [Plain] 0 -> Int, "int(msg['OBX-5'])", "text or a number as a whole number; fails on other text";
    "double" Double () [Plain] 0 -> Double, "double(msg['OBX-5'])", "text or a number as a number; fails on other text";
    "string" String () [Writable] 0 -> Text, "string(index)", "a value as text; a time in ISO 8601";
    "date" Date () [Moment, Literal, Literal] 1 -> Text, "date(received, 'yyyyMMddHHmmss', 'Africa/Nouakchott')", "a time, or text in HL7's form, written by a pattern (of `format`'s step); a time in UTC unless a zone is named";
    "timestamp" Timestamp () [Text] 0 -> Time, "timestamp('2026-11-22T10:00:00Z')", "text in ISO 8601 with offset as a time";
    "duration" Duration () [Text] 0 -> Duration, "received - duration('90m')", "text such as `1h30m`, `90s`, `1.5h` as a span of time";
    "contains" Contains (Text) [Text] 0 -> Bool, "msg['PV1-3'].contains('ICU')", "whether a text is in it";
    "startsWith" StartsWith (Text) [Text] 0 -> Bool, "msg.event.startsWith('A')", "whether it begins so";
    "endsWith" EndsWith (Text) [Text] 0 -> Bool, "msg['PID-3.1'].endsWith('X')", "whether it ends so";
    "matches" Matches (Text) [Literal] 0 -> Bool, "msg['PID-3.1'].matches('^[0-9]{10}$')", "whether a regular expression matches somewhere in it";
    "matches" Matches () [Text, Literal] 0 -> Bool, "matches(value, '^[0-9]+$')", "whether a regular expression matches somewhere in it";
    "upper" Upper (Text) [] 0 -> Text, "value.upper()", "in capital letters, of every script";
    "lower" Lower (Text) [] 0 -> Text, "value.lower()", "in small letters, of every script";
    "upperAscii" UpperAscii (Text) [] 0 -> Text, "value.upperAscii()", "A to Z in capital letters";
    "lowerAscii" LowerAscii (Text) [] 0 -> Text, "value.lowerAscii()", "A to Z in small letters";
    "trim" Trim (Text) [] 0 -> Text, "value.trim()", "without white space at both ends";
    "replace" Replace (Text) [Text, Text, Int] 1 -> Text, "value.replace('-', '')", "every occurrence (or the first few) of a text replaced";
    "split" Split (Text) [Text, Int] 1 -> Texts, "value.split(',')", "the parts between separators; at most so many";
    "join" Join (Texts) [Text] 1 -> Text, "msg.all('NTE[*]-3').join(' ')", "one text, with a separator between";
    "substring" Substring (Text) [Int, Int] 1 -> Text, "value.substring(0, 4)", "from a character (counted from 0) up to another";
    "padStart" PadStart (Text) [Int, Text] 1 -> Text, "value.padStart(8, '0')", "filled up in front to a width";
    "padEnd" PadEnd (Text) [Int, Text] 1 -> Text, "value.padEnd(20)", "filled up behind to a width";
    "indexOf" IndexOf (Text) [Text] 0 -> Int, "value.indexOf('/')", "where a text is first in it, in characters from 0; -1 if it is not";
    "lastIndexOf" LastIndexOf (Text) [Text] 0 -> Int, "value.lastIndexOf('/')", "where a text is last in it; -1 if it is not";
    "charAt" CharAt (Text) [Int] 0 -> Text, "value.charAt(0)", "one character, counted from 0; empty behind the end";
}
