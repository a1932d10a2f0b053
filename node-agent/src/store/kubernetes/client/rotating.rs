//! A connection to the API server that follows the files it was made of.

use super::access::{Access, AccessError};
use super::in_full;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tower::util::BoxCloneService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

/// The longest a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(5);
/// A silent connection is asked for a sign of life after so long, then so often, so many times: one
/// that is dead is known to be after 25 s. A watch may be silent for a minute and be well.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(10), Duration::from_secs(5), 3);
/// Data that nobody acknowledges for so long ends a connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(25);
/// So often the API server itself is asked for a sign of life on a connection that is in use, and so
/// long it may take for it: its kernel alone may go on answering when it hangs.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(20));
/// Connections nobody uses are closed after so long.
const IDLE: Duration = Duration::from_secs(60);
/// How often the files are looked at, while something is asked.
const LOOK: Duration = Duration::from_secs(10);

type Stack = BoxCloneService<Request<Body>, Response<Incoming>, BoxError>;

/// The way to the API server as the files say it.
#[derive(Clone)]
pub(super) struct Rotating {
    access: Arc<Access>,
    made: Arc<Mutex<Made>>,
}

struct Made {
    stack: Stack,
    files: Files,
    looked: Instant,
    /// What was last said to be wrong with the files.
    wrong: Option<String>,
}

/// The files, and what was in them.
#[derive(PartialEq, Eq)]
struct Files(Vec<(PathBuf, Option<Vec<u8>>)>);

impl Files {
    fn read(paths: Vec<PathBuf>) -> Self {
        let read = |path: PathBuf| {
            let held = std::fs::read(&path).ok();
            (path, held)
        };
        Files(paths.into_iter().map(read).collect())
    }

    fn again(&self) -> Self {
        Self::read(self.0.iter().map(|(path, _)| path.clone()).collect())
    }
}

impl Rotating {
    /// Reads the files.
    ///
    /// # Errors
    /// Those that are missing, or say nothing that can be used.
    pub(super) fn new(access: Access) -> Result<Self, AccessError> {
        let (stack, files) = make(&access)?;
        let made = Made {
            stack,
            files,
            looked: Instant::now(),
            wrong: None,
        };
        Ok(Rotating {
            access: Arc::new(access),
            made: Arc::new(Mutex::new(made)),
        })
    }

    /// The way by what the files say now. Files that say nothing usable change nothing: they may be
    /// in the middle of being written.
    fn current(&self) -> Stack {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.looked.elapsed() < LOOK {
            return made.stack.clone();
        }
        made.looked = Instant::now();
        let now = made.files.again();
        if now == made.files && made.wrong.is_none() {
            return made.stack.clone();
        }
        match make(&self.access) {
            Ok((stack, files)) => {
                tracing::info!("credentials of the API server changed on disk; taken over");
                (made.stack, made.files, made.wrong) = (stack, files, None);
            }
            Err(error) => {
                let error = error.to_string();
                if made.wrong.as_ref() != Some(&error) {
                    tracing::warn!(%error, "credentials cannot be read; those before stay in use");
                }
                made.wrong = Some(error);
            }
        }
        made.stack.clone()
    }
}

impl Service<Request<Body>> for Rotating {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.current().oneshot(request))
    }
}

fn make(access: &Access) -> Result<(Stack, Files), AccessError> {
    let (mut config, paths) = access.read()?;
    // First, so that what changes meanwhile is seen as a change.
    let files = Files::read(paths);
    let agent = concat!("gingham-agent/", env!("CARGO_PKG_VERSION"));
    let agent = HeaderValue::from_static(agent);
    config.headers.push((USER_AGENT, agent));
    let stack = stack(&config).map_err(|error| access.unusable(&in_full(&error)))?;
    Ok((stack, files))
}

fn stack(config: &kube::Config) -> kube::Result<Stack> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT));
    let (idle, interval, probes) = KEEPALIVE;
    http.set_keepalive(Some(idle));
    http.set_keepalive_interval(Some(interval));
    http.set_keepalive_retries(Some(probes));
    http.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    let (ping, answer) = PING;
    let connections = Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .http2_keep_alive_interval(ping)
        .http2_keep_alive_timeout(answer)
        .build(over_tls(config, http)?);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(connections);
    Ok(BoxCloneService::new(service.map_err(BoxError::from)))
}

/// With HTTP/2 where the server has it: all that an agent asks then shares one connection, which is what
/// an API server can bear from thousands of nodes. kube's own connector has HTTP/1.1 alone.
fn over_tls(
    config: &kube::Config,
    http: HttpConnector,
) -> kube::Result<HttpsConnector<HttpConnector>> {
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_or_http();
    if let Some(name) = config.tls_server_name.clone() {
        let name = name.try_into();
        let name = name.map_err(|error| kube::Error::Service(BoxError::from(error)))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    Ok(builder.enable_all_versions().wrap_connector(http))
}
