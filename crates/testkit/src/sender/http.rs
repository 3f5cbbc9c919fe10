//! One HTTP connection of the sender: one request at a time.

use std::io;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::time::{sleep, sleep_until, timeout};

use super::dial::connect;
use super::flight::{Answer, Flight, Verdict};
use super::{Outbound, PAUSE, Report, Shared};

/// Largest answer, in bytes.
const BODY_MAX: usize = 16 * 1024 * 1024;

pub(super) async fn work(number: usize, url: &Uri, token: Option<&str>, shared: &Shared) -> Report {
    let mut flight = Flight::new(number, shared);
    let mut sender = None;
    while let Some(message) = shared.draw(number) {
        let due = shared.schedule.take();
        if let Some(due) = due {
            sleep_until(shared.schedule.instant(due)).await;
        }
        flight.take(message, due);
        while !flight.is_empty() {
            if let Err(error) = attempt(&mut sender, &mut flight, url, token, shared).await {
                sender = None;
                flight.report.failed(&error.to_string());
                flight.again();
                if shared.load.resend {
                    sleep(PAUSE).await;
                }
            } else if flight.is_refused() {
                sleep(PAUSE).await;
                flight.again();
            }
        }
    }
    flight.report
}

async fn attempt(
    sender: &mut Option<SendRequest<Full<Bytes>>>,
    flight: &mut Flight<'_>,
    url: &Uri,
    token: Option<&str>,
    shared: &Shared,
) -> io::Result<()> {
    let usable = sender.take().filter(|sender| !sender.is_closed());
    let mut open = match usable {
        Some(open) => open,
        None => handshake(url, shared).await?,
    };
    let mut request = None;
    let mut control_id = Bytes::new();
    flight.write(|message| {
        control_id = message.control_id.clone();
        request = Some(build(message, url, token));
    });
    let Some(request) = request else { return Ok(()) };
    let answer = timeout(shared.load.timeout, exchange(&mut open, request?, control_id)).await??;
    flight.answered(&answer);
    *sender = Some(open);
    Ok(())
}

async fn handshake(url: &Uri, shared: &Shared) -> io::Result<SendRequest<Full<Bytes>>> {
    let port = url.port_u16().unwrap_or(if shared.load.tls.is_some() { 443 } else { 80 });
    let stream = connect(&format!("{}:{port}", url.host().unwrap_or_default()), &shared.load).await?;
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        // What breaks the connection is told to the request on it.
        drop(connection.await);
    });
    Ok(sender)
}

fn build(message: &Outbound, url: &Uri, token: Option<&str>) -> io::Result<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::new(message.bytes.clone()));
    *request.method_mut() = Method::POST;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(io::Error::other)?;
    let host = url.authority().map_or("", |authority| authority.as_str());
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(host).map_err(io::Error::other)?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/hl7-v2"));
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).map_err(io::Error::other)?);
    }
    Ok(request)
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    control_id: Bytes,
) -> io::Result<Answer> {
    sender.ready().await.map_err(io::Error::other)?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_MAX).collect().await.map_err(io::Error::other)?.to_bytes();
    let verdict = match status {
        status if status.is_success() => Verdict::Accepted,
        StatusCode::TOO_MANY_REQUESTS => Verdict::Later,
        status if status.is_server_error() => Verdict::Later,
        _ => Verdict::Refused,
    };
    match Answer::read(body) {
        // The status decides whether to come again, the acknowledgement what is told.
        Some(answer) if verdict == Verdict::Accepted => Ok(Answer { control_id, ..answer }),
        Some(answer) => Ok(Answer { control_id, verdict, ..answer }),
        None => Ok(Answer { control_id, code: status.as_str().to_owned(), verdict }),
    }
}
