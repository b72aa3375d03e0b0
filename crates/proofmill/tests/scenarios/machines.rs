//! Networks that are cut, and disks that are full.

use crate::{
    house::House,
    process::{Running, wait},
};
use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
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
        eprintln!("skipped: this user may not make network namespaces (`ip netns`)");
        None
    }

    fn cut(&self, time: Duration) {
        assert!(runs(&format!("ip link set {}a down", self.name)));
        std::thread::sleep(time);
        assert!(runs(&format!("ip link set {}a up", self.name)));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        runs(&format!("ip link del {}a", self.name));
        runs(&format!("ip netns del {}", self.name));
    }
}

#[test]
fn the_network_of_a_worker_is_cut_for_3_10_and_40_s() {
    let Some(cable) = Cable::lay() else { return };
    let Some(mut house) = House::at(&cable.host, &["--bind", "0.0.0.0"]) else { return };
    let _cluster = house.cluster();
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &cable.name, env!("CARGO_BIN_EXE_proofmill")]);
    let plain = house.role("worker-1");
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(plain.get_current_dir().unwrap()).args(house.worker_args("worker-1"));
    let _worker = Running::start(&mut command, &house.logs().join("worker-1.log"));
    let _node = house.node();
    house.settle(1);
    for (seconds, is_lost) in [(3, false), (10, false), (40, true)] {
        let before = house.said("cluster").matches("lost").count();
        house.load();
        cable.cut(Duration::from_secs(seconds));
        house.settle(1);
        let lost = house.said("cluster").matches("lost").count() > before;
        assert!(is_lost || !lost, "lost after {seconds} s:\n{}", house.said("cluster"));
    }
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
        eprintln!("skipped: this user may not mount a small disk");
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
