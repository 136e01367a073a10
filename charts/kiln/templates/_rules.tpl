{{/* What the controller may do, by duty: ImageBuilds, their content, and rolling images out. */}}
{{- define "kiln.rules.imagebuilds" -}}
# patch is for finalizers: ImageBuilds are changed by their owners alone.
- apiGroups: [kiln.build]
  resources: [imagebuilds]
  verbs: [get, list, watch, patch]
- apiGroups: [kiln.build]
  resources: [imagebuilds/status]
  verbs: [get, patch, update]
- apiGroups: [kiln.build]
  resources: [imagebuilds/finalizers]
  verbs: [update]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- define "kiln.rules.content" -}}
# Content. ConfigMaps and Secrets are watched as metadata only, to learn that one has changed.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
# Content and credentials; each is read when a build needs it and not kept.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
# For their imagePullSecrets.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get]
{{- end }}

{{- define "kiln.rules.rollout" -}}
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, list, watch, patch]
- apiGroups: [batch]
  resources: [cronjobs]
  verbs: [get, list, watch, patch]
{{- end }}

{{- define "kiln.duties" -}}
imagebuilds content{{ if .Values.rollout.enabled }} rollout{{ end }}
{{- end }}
