//! Networks that are cut, and disks that are full.

use crate::{
    house::House,
    logs::made_twice,
    process::{Running, wait},
};
use proofmill_localstore::skipped;
use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

fn runs(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A network of its own, which a cable joins with this machine.
struct Cable {
    name: String,
    host: String,
}

impl Cable {
    fn lay() -> Option<Self> {
        // Others may run the same test.
        let id = std::process::id() % 200;
        let (name, host, there) = (format!("pm{id}"), format!("10.213.{id}.1"), format!("10.213.{id}.2"));
        let cable = Self { name, host };
        let Self { name, host } = &cable;
        let laid = [
            format!("ip netns add {name}"),
            format!("ip link add {name}a type veth peer name {name}b netns {name}"),
            format!("ip addr add {host}/24 dev {name}a"),
            format!("ip link set {name}a up"),
            format!("ip -n {name} addr add {there}/24 dev {name}b"),
            format!("ip -n {name} link set {name}b up"),
            format!("ip -n {name} link set lo up"),
        ];
        if laid.iter().all(|command| runs(command)) {
            return Some(cable);
        }
        skipped("this user may not make network namespaces (`ip netns`)");
        None
    }

    fn set(&self, state: &str) {
        assert!(runs(&format!("ip link set {}a {state}", self.name)));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        runs(&format!("ip link del {}a", self.name));
        runs(&format!("ip netns del {}", self.name));
    }
}

/// In the middle of a segment. A worker that is silent for 30 s is lost, and what it had is taken back: with 3 and 10 s it keeps all
/// that, and nothing is made twice. After 40 s it is back, and the proof is made.
#[test]
fn the_network_of_a_worker_is_cut_for_3_10_and_40_s() {
    let Some(cable) = Cable::lay() else { return };
    let Some(mut house) = House::at(&cable.host, &["--bind", "0.0.0.0"]) else { return };
    let _cluster = house.cluster();
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &cable.name]);
    let plain = house.worker_command("worker-1");
    command.arg(plain.get_program()).args(plain.get_args());
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(plain.get_current_dir().unwrap());
    let _worker = Running::start(&mut command, &house.logs().join("worker-1.log"));
    let _node = house.node();
    house.settle(1);
    let lost = |house: &House| house.said("cluster").matches("lost a worker: its tasks go to others").count();
    let taken_back = |house: &House| house.said("cluster").matches("fault=worker/lost").count();
    for seconds in [3, 10] {
        let held = house.hold();
        cable.set("down");
        std::thread::sleep(Duration::from_secs(seconds));
        cable.set("up");
        house.let_go(&held);
        house.wait_for(&held);
        house.settle(1);
        assert_eq!(lost(&house), 0, "lost after {seconds} s:\n{}", house.said("cluster"));
        assert_eq!(made_twice(house.logs()), [""; 0]);
    }
    let held = house.hold();
    // It was heard of before the cut; how long before, the cluster tells.
    let asked = Instant::now();
    let silent = house.silent("worker-1");
    let cut = Instant::now();
    cable.set("down");
    wait("the worker to be lost", || lost(&house) == 1);
    let after = silent + asked.elapsed();
    assert!(after.as_secs() >= 29, "lost after {after:?}:\n{}", house.said("cluster"));
    assert!(taken_back(&house) > 0, "{}", house.said("cluster"));
    std::thread::sleep(Duration::from_secs(40).saturating_sub(cut.elapsed()));
    cable.set("up");
    house.let_go(&held);
    house.wait_for(&held);
    house.settle(1);
    assert_eq!(lost(&house), 1, "{}", house.said("cluster"));
    assert!(!house.said("node").contains("epoch missed"), "{}", house.said("node"));
}

/// A disk of two megabytes.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(at: std::path::PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        if runs(&format!("mount -t tmpfs -o size=2m tmpfs {}", at.display())) {
            return Some(Self(at));
        }
        skipped("this user may not mount a small disk");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        runs(&format!("umount -l {}", self.0.display()));
    }
}

#[test]
fn the_disk_of_the_ledger_is_full() {
    let Some(mut house) = House::new() else { return };
    let Some(disk) = Disk::mount(house.logs().join("cluster/data")) else { return };
    let _cluster = house.cluster();
    let (_worker, _node) = (house.worker("worker-1"), house.node());
    house.settle(1);
    let filler = disk.0.join("filler");
    // As much as there is.
    drop(fs::write(&filler, vec![1; 2 << 20]));
    house.load();
    wait("the cluster to notice", || {
        house.load();
        house.said("cluster").contains("full")
    });
    fs::remove_file(&filler).unwrap();
    house.settle(1);
    assert!(!house.said("node").contains("epoch missed"), "{}", house.said("node"));
}
