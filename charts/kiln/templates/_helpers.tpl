{{- define "kiln.name" -}}
{{- .Values.fullnameOverride | default (printf "%s-controller" .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "kiln.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "kiln.name" .) -}}
{{- end }}

{{- define "kiln.selector" -}}
app.kubernetes.io/name: kiln
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end }}

{{- define "kiln.labels" -}}
{{ include "kiln.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: kiln
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* metadata of an object in the release's namespace: (list $ "suffix") */}}
{{- define "kiln.metadata" -}}
{{- $top := index . 0 -}}
name: {{ include "kiln.name" $top }}{{ index . 1 }}
namespace: {{ $top.Release.Namespace }}
labels:
  {{- include "kiln.labels" $top | nindent 2 }}
{{- end }}

{{- define "kiln.image" -}}
{{- $image := .Values.image -}}
{{- $repository := required "image.repository is needed: push the image (make image IMAGE=…) and say where it is, without the tag" $image.repository -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* What no schema can say, because it is about two values at once. */}}
{{- define "kiln.check" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection.enabled) -}}
{{- fail "replicas is more than 1, so leaderElection.enabled must be true: otherwise all of them build everything" -}}
{{- end -}}
{{- if and .Values.hooks.ingress.enabled (not .Values.hooks.enabled) -}}
{{- fail "hooks.ingress.enabled needs hooks.enabled: there is nothing to lead to" -}}
{{- end -}}
{{- if and .Values.hooks.ingress.enabled (not .Values.hooks.ingress.host) -}}
{{- fail "hooks.ingress.host is needed: the name under which git servers and registries reach this cluster" -}}
{{- end -}}
{{- if and .Values.registries.files (not .Values.registries.config) -}}
{{- fail "registries.files are files that registries.config names, and it is empty" -}}
{{- end -}}
{{- end }}

{{/* Who the rights are for. */}}
{{- define "kiln.subjects" -}}
- kind: ServiceAccount
  name: {{ include "kiln.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
