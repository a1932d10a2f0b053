{{/*
The pod of an agent, of (chart: the root, name: whose).

  /host/opt/cni/bin        plugins; install-cni writes them
  /host/etc/cni/net.d      the network's configuration; the agent writes it once the node is ready
  /host/proc/sys/net       kernel settings: those of a pod that is not privileged are read-only
  /run/gingham             shared with the plugin, until the next boot
  /var/lib/gingham         what outlives a reboot
*/}}
{{- define "gingham.pod" -}}
{{- $values := .chart.Values -}}
hostNetwork: true
# Before there is a pod network there is no DNS of the cluster.
dnsPolicy: Default
priorityClassName: {{ $values.priorityClassName }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  seccompProfile: {type: RuntimeDefault}
{{- if eq $values.mode "Run" }}
initContainers:
  - name: install-cni
    {{- include "gingham.container" .chart | nindent 4 }}
    command:
      - /usr/local/bin/gingham-agent
      - install-cni
      - --cni-bin-dir=/host/opt/cni/bin
      - --state-dir=/var/lib/gingham
    securityContext:
      {{- include "gingham.confined" (list) | nindent 6 }}
    volumeMounts:
      - {name: cni-bin, mountPath: /host/opt/cni/bin}
      - {name: state, mountPath: /var/lib/gingham}
containers:
  - name: agent
    {{- include "gingham.container" .chart | nindent 4 }}
    {{- include "gingham.run" . | nindent 4 }}
    securityContext:
      {{- include "gingham.confined" (list "NET_ADMIN" "NET_BIND_SERVICE") | nindent 6 }}
    {{- with $values.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    volumeMounts:
      {{- include "gingham.host-mounts" . | nindent 6 }}
      - {name: cni-bin, mountPath: /host/opt/cni/bin, readOnly: true}
      {{- with include "gingham.mounts" . }}
      {{- . | nindent 6 }}
      {{- end }}
{{- else }}
initContainers:
  - name: cleanup
    {{- include "gingham.cleaner" . | nindent 4 }}
containers:
  - name: clean
    {{- include "gingham.cleaner" . | nindent 4 }}
    args: [--stay]
{{- end }}
volumes:
  {{- if eq $values.mode "Run" }}
  - {name: run, hostPath: {path: /run/gingham, type: DirectoryOrCreate}}
  - {name: state, hostPath: {path: /var/lib/gingham, type: DirectoryOrCreate}}
  {{- else }}
  - {name: run, hostPath: {path: /run, type: Directory}}
  - {name: state, hostPath: {path: /var/lib, type: Directory}}
  {{- end }}
  - {name: cni-bin, hostPath: {path: {{ $values.cni.binDir }}, type: DirectoryOrCreate}}
  - {name: cni-conf, hostPath: {path: {{ $values.cni.confDir }}, type: DirectoryOrCreate}}
  - {name: sysctls, hostPath: {path: /proc/sys/net, type: Directory}}
  - {name: tmp, emptyDir: {}}
  {{- with include "gingham.volumes" . }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What an agent changes on its host. */}}
{{- define "gingham.host-mounts" -}}
- {name: run, mountPath: /run/gingham}
- {name: state, mountPath: /var/lib/gingham}
- {name: cni-conf, mountPath: /host/etc/cni/net.d}
- {name: sysctls, mountPath: /host/proc/sys/net}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{/* What only some agents mount, and from where: a static pod its kubeconfig, the others the ConfigMap. */}}
{{- define "gingham.mounts" -}}
{{- if eq .name "static-pod" -}}
- {name: kubeconfig, mountPath: /host/etc/gingham, readOnly: true}
{{- else if .chart.Values.cni.conf -}}
- {name: conf, mountPath: /etc/gingham/cni, readOnly: true}
{{- end }}
{{- end }}
{{- define "gingham.volumes" -}}
{{- if eq .name "static-pod" -}}
- {name: kubeconfig, hostPath: {path: /etc/gingham, type: Directory}}
{{- else if .chart.Values.cni.conf -}}
- {name: conf, configMap: {name: gingham-cni}}
{{- end }}
{{- end }}

{{- define "gingham.container" -}}
image: {{ include "gingham.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* Root without root's powers, but for these capabilities. */}}
{{- define "gingham.confined" -}}
runAsUser: 0
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
  {{- with . }}
  add: [{{ join ", " . }}]
  {{- end }}
{{- end }}

{{/* What an agent runs with. */}}
{{- define "gingham.run" -}}
{{- $values := .chart.Values -}}
command: [/usr/local/bin/gingham-agent, run]
{{- with $values.extraArgs }}
args:
  {{- toYaml . | nindent 2 }}
{{- end }}
env:
  - name: GINGHAM_NODE
    valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
  - {name: GINGHAM_LOG_LEVEL, value: {{ $values.logLevel }}}
  - {name: GINGHAM_SYSCTL_ROOT, value: /host/proc/sys}
  - {name: GINGHAM_CNI_CONF, value: {{ include "gingham.conf" . }}}
  - {name: GINGHAM_CNI_CONF_DIR, value: /host/etc/cni/net.d}
  - {name: GINGHAM_CNI_BIN_DIR, value: /host/opt/cni/bin}
  {{- if eq .name "static-pod" }}
  - {name: GINGHAM_KUBECONFIG, value: /host/etc/gingham/kubeconfig}
  - {name: GINGHAM_NAMESPACE, value: {{ .chart.Release.Namespace }}}
  {{- else if $values.apiServer }}
  - {name: GINGHAM_API_SERVER, value: {{ $values.apiServer | quote }}}
  {{- end }}
# Not ready: the node has no routes, or no block to give addresses from. Traffic of pods that run goes on.
readinessProbe:
  httpGet: {host: 127.0.0.1, port: 9178, path: /readyz}
  periodSeconds: 5
livenessProbe:
  httpGet: {host: 127.0.0.1, port: 9178, path: /healthz}
  initialDelaySeconds: 10
  periodSeconds: 10
  failureThreshold: 6
{{- end }}

{{/* The network's configuration, under its name on the node. */}}
{{- define "gingham.conf" -}}
{{- if and .chart.Values.cni.conf (ne .name "static-pod") -}}
/etc/gingham/cni/10-gingham.conflist
{{- else -}}
/etc/gingham/10-gingham.conflist
{{- end }}
{{- end }}

{{/* A container that takes the agent off its host. */}}
{{- define "gingham.cleaner" -}}
{{ include "gingham.container" .chart }}
{{ include "gingham.cleanup" . }}
securityContext:
  {{- include "gingham.confined" (list "NET_ADMIN") | nindent 2 }}
volumeMounts:
  # The folders that hold ours: what is mounted itself cannot be removed.
  - {name: run, mountPath: /host/run}
  - {name: state, mountPath: /host/var/lib}
  - {name: cni-conf, mountPath: /host/etc/cni/net.d}
  - {name: cni-bin, mountPath: /host/opt/cni/bin}
  - {name: sysctls, mountPath: /host/proc/sys/net}
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{/*
How a node is given back. The init container does it, and is started again until nothing is left; so a pod that is
ready is a node that is clean. What stays looks again, for pods that came in between.
*/}}
{{- define "gingham.cleanup" -}}
command:
  - /usr/local/bin/gingham-agent
  - cleanup
  - --yes
  - --pods
  - --installed
  - --run-dir=/host/run/gingham
  - --state-dir=/host/var/lib/gingham
  - --cni-conf-dir=/host/etc/cni/net.d
  - --cni-bin-dir=/host/opt/cni/bin
  - --sysctl-root=/host/proc/sys
{{- end }}
