//! An S3 server.

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use std::{fs, io, net, thread};
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime, sync::oneshot};

/// The access key and the secret key that the server knows.
pub const S3_KEYS: (&str, &str) = ("key-of-this-test", "secret-of-this-test");

/// An S3 server on a free port of this machine with one bucket, `proofs`. It checks signatures, and takes any region. Ends with
/// this value.
#[derive(Debug)]
pub struct LocalS3 {
    folder: TempDir,
    port: u16,
    running: Option<(oneshot::Sender<()>, thread::JoinHandle<()>)>,
}

impl LocalS3 {
    /// The bucket.
    pub const BUCKET: &'static str = "proofs";

    /// Starts one.
    ///
    /// # Errors
    /// It cannot listen, or its folder cannot be written.
    pub fn start() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join(Self::BUCKET))?;
        let mut server = Self { folder, port: super::free_port()?, running: None };
        server.start_again()?;
        Ok(server)
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The file of an object.
    pub fn file(&self, key: &str) -> std::path::PathBuf {
        self.folder.path().join(Self::BUCKET).join(key)
    }

    /// Ends it, with all its connections.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            let _ = thread.join();
        }
    }

    /// Starts it again on the same port, with what it had.
    ///
    /// # Errors
    /// It cannot listen, or its folder cannot be read.
    pub fn start_again(&mut self) -> io::Result<()> {
        self.stop();
        let files =
            FileSystem::new(self.folder.path()).map_err(|error| io::Error::other(format!("{error:?}")))?;
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(S3_KEYS.0, S3_KEYS.1));
        let service = service.build();
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = net::TcpListener::bind(("127.0.0.1", self.port))?;
        listener.set_nonblocking(true)?;
        let (stop, stopped) = oneshot::channel();
        // The caller may be inside a runtime.
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = serve(listener, service) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        self.running = Some((stop, thread));
        Ok(())
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let service = service.clone();
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            // Whoever hangs up is nobody's loss.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Drop for LocalS3 {
    fn drop(&mut self) {
        self.stop();
    }
}
