{{/* The flags of kiln-controller (docs/operations.md). */}}
{{- define "kiln.args" -}}
{{- with .Values.controller -}}
- --concurrent={{ .concurrent }}
- --min-retry-delay={{ .minRetryDelay }}
- --max-retry-delay={{ .maxRetryDelay }}
- --watch-timeout={{ .watchTimeout }}
- --graceful-shutdown-timeout={{ .gracefulShutdownTimeout }}
- --interval-jitter-percentage={{ .intervalJitterPercentage }}
- --log-level={{ .logLevel }}
- --log-format={{ .logFormat }}
- --cache-dir=/var/cache/kiln
- --git-cache-mib={{ int .gitCacheMib }}
- --git-memory-mib={{ int .gitMemoryMib }}
{{- with .watchLabelSelector }}
- {{ printf "--watch-label-selector=%s" . | quote }}
{{- end }}
{{- end }}
- --metrics-addr=:{{ .Values.metrics.port }}
- --health-addr=:9440
{{- with .Values.watchNamespaces }}
- --watch-namespaces={{ join "," . }}
{{- end }}
{{- with .Values.leaderElection }}
{{- if .enabled }}
- --leader-elect
- --leader-election-id={{ include "kiln.name" $ }}
- --leader-election-lease-duration={{ .leaseDuration }}
- --leader-election-renew-deadline={{ .renewDeadline }}
- --leader-election-retry-period={{ .retryPeriod }}
{{- end }}
{{- end }}
{{- if .Values.rollout.enabled }}
- --rollout
{{- end }}
{{- if .Values.hooks.enabled }}
- --hooks-addr=:9292
- --hooks-secret={{ .Release.Namespace }}/{{ .Values.hooks.secretName }}
{{- end }}
{{- range .Values.egress.allow }}
- --egress-allow={{ . }}
{{- end }}
{{- range .Values.egress.deny }}
- --egress-deny={{ . }}
{{- end }}
{{- if .Values.registries.config }}
- --registries-config=/etc/kiln/registries.yaml
{{- end }}
{{- with .Values.controller.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "kiln.env" -}}
{{- range $name, $value := dict "HTTPS_PROXY" .Values.proxy.https "HTTP_PROXY" .Values.proxy.http "NO_PROXY" .Values.proxy.none }}
{{- if $value }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "kiln.volumes" -}}
{{- with .Values.cache -}}
- name: cache
{{- if eq .type "claim" }}
  persistentVolumeClaim: {claimName: {{ .existingClaim | default (print (include "kiln.name" $) "-cache") }}}
{{- else if eq .type "ephemeral" }}
  ephemeral:
    volumeClaimTemplate:
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ .size }}}}
{{- else }}
  emptyDir: {sizeLimit: {{ .size }}}
{{- end }}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: {{ .Values.tmp.size }}}
{{- if .Values.registries.config }}
- name: registries
  configMap: {name: {{ include "kiln.name" . }}-registries}
{{- end }}
{{- with .Values.caBundle }}
{{- if .configMap }}
- name: ca-bundle
  configMap:
    name: {{ .configMap }}
    items: [{key: {{ .key }}, path: ca-certificates.crt}]
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
