//! The files of a machine: containerd's, the kubelet's and kube-proxy's configuration.

use crate::images;
use crate::topology::NodePlan;
use std::path::PathBuf;

/// Where the kubelet's is.
pub(super) const KUBELET: &str = "/etc/kubernetes/kubelet.yaml";
/// Where kube-proxy's is.
pub(super) const PROXY: &str = "/etc/kubernetes/proxy.yaml";
/// Where containerd's is.
const CONTAINERD: &str = "/etc/containerd/config.toml";

/// The files of the control plane that a machine needs.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The cluster's authority.
    pub(super) authority: PathBuf,
    /// The kubelet's kubeconfig.
    pub(super) kubelet: PathBuf,
    /// kube-proxy's.
    pub(super) proxy: PathBuf,
}

/// Every file: path in the box, and text.
pub(super) fn files(plan: &NodePlan, settings: &Settings) -> [(&'static str, String); 3] {
    [
        (CONTAINERD, containerd()),
        (KUBELET, kubelet(plan, settings)),
        (PROXY, proxy(settings)),
    ]
}

/// No process here may lower its `oom_score_adj`, without CAP_SYS_RESOURCE.
fn containerd() -> String {
    format!(
        r#"version = 3
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{pause}"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["/opt/cni/bin"]
    conf_dir = "/etc/cni/net.d"
"#,
        pause = images::PAUSE
    )
}

fn kubelet(plan: &NodePlan, settings: &Settings) -> String {
    let address = plan.internal_ips.first().map(ToString::to_string);
    format!(
        r#"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
address: "{address}"
readOnlyPort: 0
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: true}}
  x509: {{clientCAFile: {authority}}}
authorization: {{mode: Webhook}}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
staticPodPath: /etc/kubernetes/manifests
resolvConf: /run/resolv.conf
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
volumePluginDir: /var/lib/kubelet/volume-plugins
failSwapOn: false
maxPods: 250
registryPullQPS: 0
kubeAPIQPS: 100
kubeAPIBurst: 200
evictionHard: {{memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
"#,
        address = address.unwrap_or_default(),
        authority = settings.authority.display(),
    )
}

/// Pods are known by their interfaces: the pools of several zones are no one CIDR.
fn proxy(settings: &Settings) -> String {
    format!(
        r"apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {{kubeconfig: {kubeconfig}}}
detectLocalMode: InterfaceNamePrefix
detectLocal: {{interfaceNamePrefix: gh}}
conntrack: {{maxPerCore: 0, min: 0}}
metricsBindAddress: 127.0.0.1:10249
",
        kubeconfig = settings.proxy.display(),
    )
}
