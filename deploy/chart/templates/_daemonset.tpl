{{/* A DaemonSet of agents, of (chart: the root, name: whose, update: how it is rolled out, terms: which nodes). */}}
{{- define "gingham.daemonset" -}}
{{- $values := .chart.Values -}}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: gingham-{{ .name }}
  namespace: {{ .chart.Release.Namespace }}
  labels:
    {{- include "gingham.labels" .chart | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  selector:
    matchLabels:
      {{- include "gingham.selector" .name | nindent 6 }}
  minReadySeconds: {{ .update.minReadySeconds }}
  updateStrategy:
    type: RollingUpdate
    rollingUpdate:
      # One agent for one node: two would answer on the same ports.
      maxSurge: 0
      maxUnavailable: {{ if eq $values.mode "Run" }}{{ .update.maxUnavailable }}{{ else }}100%{{ end }}
  template:
    metadata:
      labels:
        {{- include "gingham.selector" .name | nindent 8 }}
      annotations:
        # A changed configuration is a new pod.
        checksum/cni-conf: {{ $values.cni.conf | sha256sum }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: gingham-{{ .name }}
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
              {{- .terms | nindent 14 }}
      {{- include "gingham.pod" . | nindent 6 }}
{{- end }}
