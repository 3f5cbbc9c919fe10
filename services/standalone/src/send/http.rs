//! One HTTP connection of the load client: one request at a time, the acknowledgement in the answer's body.

use std::time::Duration;

use barid_hl7::ack::AckCode;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::mllp::read_ack;
use super::pace::Turn;
use super::report::{ANSWERS_MAX, Report};
use super::source::Prepared;
use super::tls::connect;
use super::{Job, Target};

/// Largest answer in bytes: a query's response with many patients.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Failed connections in a row after which the worker gives up.
const FAILURES_MAX: u32 = 5;
/// Pause after a connection failed, times the failures in a row.
const BACKOFF: Duration = Duration::from_millis(200);

/// Sends until there is no more, or no way.
pub(super) async fn worker(job: &Job) -> Report {
    let mut report = Report::default();
    let mut sender = None;
    while let Some(turn) = job.pace.turn().await {
        let Some(message) = job.messages.prepare(turn.number, job.options.unique) else { break };
        if sender.as_ref().is_none_or(SendRequest::is_closed) {
            sender = open(job, &mut report).await;
        }
        let Some(open) = &mut sender else {
            report.unsent += 1;
            job.pace.answered(false);
            break;
        };
        if !exchange(open, turn, message, job, &mut report).await {
            sender = None;
        }
    }
    report
}

async fn open(job: &Job, report: &mut Report) -> Option<SendRequest<Full<Bytes>>> {
    for attempt in 1..=FAILURES_MAX {
        let opened = match connect(job).await {
            Ok(stream) => handshake(TokioIo::new(stream)).await.map_err(|error| format!("cannot connect: {error}")),
            Err(text) => Err(text),
        };
        match opened {
            Ok((sender, connection)) => {
                report.connections += 1;
                // Ends with the sender; what goes wrong is seen there.
                tokio::spawn(connection);
                return Some(sender);
            }
            Err(text) => report.trouble(text),
        }
        tokio::time::sleep(BACKOFF * attempt).await;
    }
    None
}

/// One request and its answer; false where the connection is of no more use.
async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    turn: Turn,
    message: Prepared,
    job: &Job,
    report: &mut Report,
) -> bool {
    let since = if job.options.rate.is_some() { turn.due } else { Instant::now() };
    report.bytes += message.raw.len() as u64;
    let control_id = message.control_id;
    let request = match request(job, message.raw) {
        Ok(request) => request,
        Err(text) => {
            report.trouble(text);
            report.unsent += 1;
            job.pace.answered(false);
            return true;
        }
    };
    report.sent += 1;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| format!("the exchange failed: {error}"))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| format!("the answer was cut short: {error}"))?;
        Ok((status, body.to_bytes()))
    };
    let trouble = match tokio::time::timeout(job.options.timeout, answer).await {
        Ok(Ok((status, body))) => {
            answered(status.as_u16(), &body, &control_id, since, job, report);
            return true;
        }
        Ok(Err(text)) => text,
        Err(_) => "no answer in time".to_owned(),
    };
    report.trouble(trouble);
    report.unanswered += 1;
    job.pace.answered(false);
    false
}

fn request(job: &Job, raw: Bytes) -> Result<Request<Full<Bytes>>, String> {
    let Target::Http { host, port, path, .. } = &job.options.target else {
        return Err("this target does not speak HTTP".to_owned());
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let mut request = Request::builder()
        .method("POST")
        .uri(path.as_str())
        .header("host", format!("{host}:{port}"))
        .header("content-type", "application/hl7-v2")
        .header("accept", "application/hl7-v2");
    if let Some(token) = &job.options.token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Full::new(raw)).map_err(|error| format!("cannot make the request: {error}"))
}

fn answered(status: u16, body: &Bytes, control_id: &Bytes, since: Instant, job: &Job, report: &mut Report) {
    if job.options.keep_answers && report.kept.len() < ANSWERS_MAX && !body.is_empty() {
        report.kept.push(body.clone());
    }
    let well = (200..300).contains(&status);
    let (code, positive) = match read_ack(body) {
        Some((_, id)) if id != *control_id => {
            report.mismatched += 1;
            report.trouble("an answer whose MSA-2 names another message".to_owned());
            job.pace.answered(false);
            return;
        }
        Some((code, _)) => {
            let positive = well && AckCode::from_bytes(code.as_bytes()).is_some_and(AckCode::is_positive);
            (format!("{status} {code}"), positive)
        }
        None => (status.to_string(), well),
    };
    report.answered(&code, positive, since.elapsed());
    job.pace.answered(positive);
}
