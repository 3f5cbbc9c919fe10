use super::*;

#[test]
fn what_is_kept_is_read_back_and_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join(FILE);
    let shown = |number: u8, facility: Option<&str>| ShownCertificate {
        fingerprint: [number; 32],
        seen: Timestamp::from_millis(1_700_000_000_000),
        certificate: SenderCertificate {
            listener: Name::local("in"),
            facility: facility.map(Arc::from),
            subject: "CN=chn.example".to_owned(),
            expires: 4_076_006_400,
        },
    };
    let all = vec![shown(7, Some("default/chn")), shown(0xab, None)];
    write(&path, &all);
    assert_eq!(read(&path).unwrap(), all);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, "[{").unwrap();
    assert!(read(&path).is_err(), "what is damaged is told of");
}
