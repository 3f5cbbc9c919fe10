use super::*;

/// Four bytes that stand for a certificate: what is in it is for others to judge.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAECAw==\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAECAw==\n-----END PRIVATE KEY-----\n";

#[test]
fn a_bundle_is_read_in_its_order_whatever_stands_between() {
    let bundle = format!("# ours\n{CERTIFICATE}{KEY}{}", CERTIFICATE.replace("AAEC", "AQEC"));
    let all = certificates(bundle.as_bytes()).unwrap();
    assert_eq!(all.iter().map(|der| der[0]).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(private_key(bundle.as_bytes()).unwrap().secret_der(), [0, 1, 2, 3]);
}

#[test]
fn what_is_not_there_or_cut_off_is_an_error_that_shows_nothing_of_it() {
    assert_eq!(certificates(b""), Err(PemError::NoCertificate));
    assert_eq!(certificates(KEY.as_bytes()), Err(PemError::NoCertificate));
    let cut = certificates(&CERTIFICATE.as_bytes()[..40]).unwrap_err();
    assert!(matches!(cut, PemError::NotPem(_)) && !cut.to_string().contains("AAEC"), "{cut}");
    let none = private_key(CERTIFICATE.as_bytes()).unwrap_err();
    assert!(matches!(none, PemError::NoKey(_)) && !none.to_string().contains("AAEC"), "{none}");
}
