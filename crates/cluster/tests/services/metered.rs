//! What is counted of workers that are lost, and of tasks that are tried again, as Prometheus reads it.

use crate::harness::{start, until};
use metrics_exporter_prometheus::PrometheusBuilder;
use proofmill_fault::{Code, Fault};
use proofmill_wire::worker::{CloseRequest, WorkerType};

#[tokio::test]
async fn lost_workers_and_tasks_that_are_tried_again_are_counted() {
    let recorded = PrometheusBuilder::new().install_recorder().unwrap();
    let cluster = start().await;
    let mut lost = cluster.worker("lost", WorkerType::All, 8).await;
    cluster.request("p", "2").await.unwrap();
    let root = lost.task().await;
    lost.faults(&root, &Fault::new(Code::StoreAway, "the share is not mounted")).await.unwrap();
    let root = lost.task().await;
    let mut other = cluster.worker("other", WorkerType::All, 8).await;
    drop(lost);
    assert_eq!(other.task().await.task_id, root.task_id);
    other.client.close(CloseRequest { worker_id: "other".into() }).await.unwrap();
    let samples = [
        "proofmill_cluster_task_faults_total{task_type=\"Controller\",fault=\"store/away\"} 1",
        "proofmill_cluster_task_faults_total{task_type=\"Controller\",fault=\"worker/lost\"} 1",
        "coordinator_dead_workers_total{worker_type=\"all\"} 1",
        "coordinator_dead_worker_requeues_total{worker_type=\"all\",task_type=\"Controller\"} 1",
        "proofmill_cluster_draining_workers 1",
        "proofmill_cluster_tasks{task_type=\"Controller\",state=\"running\"} 1",
    ];
    for sample in samples {
        until(sample, || async { recorded.render().lines().any(|line| line == sample) }).await;
    }
}
