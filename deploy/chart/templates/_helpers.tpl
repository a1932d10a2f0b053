{{/* What every object of the chart is labelled with. */}}
{{- define "gingham.labels" -}}
app.kubernetes.io/name: gingham
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* By what a DaemonSet knows its pods: never changed. Of (name). */}}
{{- define "gingham.selector" -}}
app.kubernetes.io/name: gingham
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "gingham.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Whom roles of reflectors are bound to. */}}
{{- define "gingham.subjects.reflectors" -}}
- {kind: ServiceAccount, name: gingham-reflector, namespace: {{ .Release.Namespace }}}
- {kind: Group, name: "gingham:reflectors", apiGroup: rbac.authorization.k8s.io}
{{- end }}

{{/* Whom roles of all agents are bound to. */}}
{{- define "gingham.subjects.all" -}}
- {kind: ServiceAccount, name: gingham-node, namespace: {{ .Release.Namespace }}}
- {kind: Group, name: "gingham:nodes", apiGroup: rbac.authorization.k8s.io}
{{ include "gingham.subjects.reflectors" . }}
{{- end }}

{{/* In CEL: whether an agent asks. */}}
{{- define "gingham.cel.by-an-agent" -}}
request.userInfo.username in ['system:serviceaccount:{{ .Release.Namespace }}:gingham-node',
'system:serviceaccount:{{ .Release.Namespace }}:gingham-reflector'] ||
request.userInfo.?groups.orValue([]).exists(g, g in ['gingham:nodes', 'gingham:reflectors'])
{{- end }}

{{/* In CEL: whether a reflector's agent asks. */}}
{{- define "gingham.cel.reflector" -}}
request.userInfo.username == 'system:serviceaccount:{{ .Release.Namespace }}:gingham-reflector' ||
'gingham:reflectors' in request.userInfo.?groups.orValue([])
{{- end }}

{{/* In CEL: the node of the agent that asks, '' if it has none. */}}
{{- define "gingham.cel.node" -}}
request.userInfo.username.startsWith('gingham:node:')
? request.userInfo.username.substring(size('gingham:node:'))
: request.userInfo.?extra[?'authentication.kubernetes.io/node-name'][?0].orValue('')
{{- end }}
