use super::*;
use crate::servers::tests::authority;

#[tokio::test(flavor = "multi_thread")]
async fn a_query_answers_and_what_was_committed_survives_a_kill() {
    let server = Postgres::start(Settings::default()).await.unwrap();
    server.query("create table kept (number int); insert into kept select generate_series(1, 1000)").await.unwrap();
    for round in 1..=3 {
        // A transaction at work at the moment of the kill: its process would not notice by itself that the server's is gone.
        let open = server.query("begin; insert into kept values (-1); do $$ begin loop end loop; end $$");
        let at_work = "select count(*) from pg_stat_activity where state = 'active' and query like 'begin%'";
        let (opened, ()) = tokio::join!(open, async {
            while server.query(at_work).await.unwrap() != "1" {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            tokio::task::block_in_place(|| server.kill());
        });
        assert!(opened.is_err());
        assert!(server.query("select").await.is_err());
        server.restart().unwrap();
        server.ready().await.unwrap();
        let kept = server.query("select count(*), sum(number) from kept").await.unwrap();
        assert_eq!(kept, "1000|500500", "round {round}");
    }
}

#[tokio::test]
async fn who_has_not_the_password_is_refused() {
    let server = Postgres::start(Settings::default()).await.unwrap();
    let mut client = server.client();
    client.env("PGPASSWORD", "another").arg(server.url().replace(USER.1, "another"));
    let error = run("query", client.args(["--command", "select"])).await.unwrap_err().to_string();
    assert!(error.contains("password authentication failed"), "{error}");
}

#[tokio::test]
async fn with_tls_it_shows_its_certificate_and_takes_nobody_without() {
    let folder = TempDir::new().unwrap();
    let files = authority(folder.path());
    let server = Postgres::start(Settings { tls: Some(files.clone()), ..Settings::default() }).await.unwrap();
    assert_eq!(server.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()").await.unwrap(), "t");

    let verified = format!("sslmode=verify-full&sslrootcert={}", files.authorities.display());
    let mut client = server.client();
    client.arg(server.url().replace("sslmode=require", &verified)).args(["--command", "select 7"]);
    assert_eq!(run("query", &mut client).await.unwrap(), "7");

    let mut client = server.client();
    client.arg(server.url().replace("require", "disable")).args(["--command", "select 7"]);
    let error = run("query", &mut client).await.unwrap_err().to_string();
    assert!(error.contains("no encryption"), "{error}");
}

#[tokio::test]
async fn options_reach_the_server_and_a_frozen_one_answers_when_it_goes_on() {
    let options = vec![("synchronous_commit".to_owned(), "off".to_owned())];
    let server = Postgres::start(Settings { options, ..Settings::default() }).await.unwrap();
    assert_eq!(server.query("show synchronous_commit").await.unwrap(), "off");
    server.freeze().unwrap();
    let asked = server.query("select 7");
    tokio::pin!(asked);
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut asked).await.is_err());
    server.thaw().unwrap();
    assert_eq!(asked.await.unwrap(), "7");
}
