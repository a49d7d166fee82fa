//! PostgreSQL servers for tests: each on a free port of loopback, in a folder that goes away, ended with the test; and
//! PgBouncer before one.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::free_port;

/// Whom the servers run as when the tests are root, which they refuse: `nobody`.
const NOBODY: u32 = 65534;

/// The user of the database and the password that every test knows.
pub const USER: &str = "tester";
pub const PASSWORD: &str = "sEcReT";

/// A server of a test's own.
pub struct Postgres {
    pub port: u16,
    programs: PathBuf,
    folder: Scratch,
    /// Lines for its configuration.
    options: Vec<String>,
    child: Option<Child>,
}

/// A PgBouncer in transaction mode.
pub struct Bouncer {
    pub port: u16,
    child: Child,
    _folder: Scratch,
}

/// Where the programs of the server are. Says so when they are missing, and fails with `OTP_TEST_ALL=1`.
fn programs() -> Option<PathBuf> {
    let packaged = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = packaged.map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(versions.into_iter().rev());
    let has_both = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
    folders.find(has_both).or_else(|| crate::tool("initdb").and(crate::tool("postgres")).and(None))
}

impl Postgres {
    /// Starts a server with these lines of configuration, and the usual syncs; none where the programs are missing.
    pub fn start(options: &[&str]) -> Option<Self> {
        let server = Self::make(programs()?, options);
        let password = server.folder.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        let mut command = server.program("initdb");
        command.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync", "--pwfile"]);
        run(command.arg(&password).arg("--pgdata").arg(server.data()));
        Some(server.started())
    }

    /// A standby of this server, which follows it.
    pub fn standby(&self) -> Self {
        let standby = Self::make(self.programs.clone(), &[]);
        let mut command = standby.program("pg_basebackup");
        command.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--pgdata"]).arg(standby.data());
        run(command.args(["--dbname", &self.url("postgres")]));
        standby.started()
    }

    fn make(programs: PathBuf, options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self { port: free_port(), programs, folder: Scratch::new("postgres"), options, child: None }
    }

    fn started(mut self) -> Self {
        self.restart();
        self
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder that goes away with it, in which its socket is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn program(&self, name: &str) -> Command {
        as_nobody(self.path_of(name), self.folder.path())
    }

    /// Some lie elsewhere than the server.
    fn path_of(&self, name: &str) -> PathBuf {
        Some(self.programs.join(name)).filter(|path| path.is_file()).unwrap_or_else(|| name.into())
    }

    /// Starts it, with all options that were given so far.
    pub fn restart(&mut self) {
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-h", "127.0.0.1"]);
        command.arg("-k").arg(self.folder.path());
        for option in &self.options {
            command.args(["-c", option]);
        }
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        await_port(self.port, || self.log());
        self.await_ready();
    }

    /// It opens its port before it takes anybody.
    fn await_ready(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        while !self.client("postgres", "SELECT 1").output().unwrap().status.success() {
            assert!(Instant::now() < until, "the server does not answer: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Gives it an option more, of which it hears when it starts again.
    pub fn set(&mut self, option: &str) {
        self.options.push(option.to_owned());
    }

    /// Ends it at once, as if it crashed.
    pub fn kill(&mut self) {
        self.signal(libc::SIGQUIT);
        self.child.take().unwrap().wait().unwrap();
    }

    /// Ends it, with farewells to all.
    pub fn stop(&mut self) {
        self.signal(libc::SIGINT);
        self.child.take().unwrap().wait().unwrap();
    }

    fn signal(&self, signal: i32) {
        let process = self.child.as_ref().unwrap().id() as libc::pid_t;
        // SAFETY: a signal to a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(process, signal) }, 0);
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    fn client(&self, database: &str, statement: &str) -> Command {
        let mut command = Command::new(self.path_of("psql"));
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, &self.url(database)]);
        command
    }

    /// Runs statements by its own client, and gives what they gave.
    pub fn query(&self, statement: &str) -> String {
        let output = self.client("postgres", statement).output().unwrap();
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What its client says of statements that fail.
    pub fn refused(&self, statement: &str) -> String {
        let output = self.client("postgres", statement).output().unwrap();
        assert!(!output.status.success(), "{statement} is not refused");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Writes a file of its own into its folder.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        self.folder.give(&path);
    }

    /// A PgBouncer in transaction mode before it; none where it is missing.
    pub fn bouncer(&self) -> Option<Bouncer> {
        let program = Some(PathBuf::from("/usr/sbin/pgbouncer")).filter(|path| path.is_file());
        let program = program.or_else(|| crate::tool("pgbouncer"))?;
        let (folder, port) = (Scratch::new("pgbouncer"), free_port());
        let users = folder.path().join("users");
        std::fs::write(&users, format!("\"{USER}\" \"{PASSWORD}\"\n")).unwrap();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 4\nmax_client_conn = 500\n",
            self.port,
            users.display(),
        );
        let file = folder.path().join("settings");
        std::fs::write(&file, settings).unwrap();
        let mut command = as_nobody(program, folder.path());
        let child = command.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        await_port(port, || "PgBouncer".to_owned());
        Some(Bouncer { port, child, _folder: folder })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            self.child = None;
            // SAFETY: a signal to a child that has not been waited for. Its own children end with it.
            unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGQUIT) };
            let _ = child.wait();
        }
    }
}

impl Bouncer {
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that does not run as root.
fn as_nobody(program: PathBuf, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn is_root() -> bool {
    // SAFETY: cannot fail and touches no memory.
    unsafe { libc::geteuid() == 0 }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn await_port(port: u16, told: impl Fn() -> String) {
    let until = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "the server did not start: {}", told());
        thread::sleep(Duration::from_millis(20));
    }
}

/// A folder that the server may write to, also where the tests' own are closed to others.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("otp-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let folder = Self(path);
        folder.give(folder.path());
        folder
    }

    /// Makes something the servers' own.
    fn give(&self, path: &Path) {
        if is_root() {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
