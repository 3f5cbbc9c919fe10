//! Results as JUnit XML, which every CI shows.

use std::fmt::Write as _;

use super::SuiteResult;

/// The results as JUnit XML.
#[must_use]
pub fn junit(suites: &[SuiteResult]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"barid\">\n");
    for suite in suites {
        let failed = suite.cases.iter().filter(|case| !case.failures.is_empty()).count();
        let took: f64 = suite.cases.iter().map(|case| case.took.as_secs_f64()).sum();
        // Writing to a String cannot fail.
        _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" file=\"{}\" tests=\"{}\" failures=\"{failed}\" time=\"{took:.6}\">",
            escaped(&suite.test.short()),
            escaped(&suite.file),
            suite.cases.len(),
        );
        for case in &suite.cases {
            let (class, name) = (escaped(&suite.channel.short()), escaped(&case.name));
            let took = case.took.as_secs_f64();
            _ = write!(xml, "    <testcase classname=\"{class}\" name=\"{name}\" time=\"{took:.6}\"");
            if case.failures.is_empty() {
                xml.push_str("/>\n");
                continue;
            }
            let lines: Vec<String> = case.failures.iter().map(ToString::to_string).collect();
            let first = lines.first().map(|line| escaped(line)).unwrap_or_default();
            _ = writeln!(xml, ">\n      <failure message=\"{first}\">{}</failure>", escaped(&lines.join("\n")));
            xml.push_str("    </testcase>\n");
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Text for XML; characters that XML does not have become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
