{{/* The name of the operator's objects. */}}
{{- define "kafkatrigger.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "kafkatrigger.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "kafkatrigger.name" .) -}}
{{- end -}}

{{/* The role of triggers' pods, which the operator binds. */}}
{{- define "kafkatrigger.reader" -}}
{{ include "kafkatrigger.name" . }}-transformations
{{- end -}}

{{- define "kafkatrigger.selector" -}}
app.kubernetes.io/name: kafkatrigger
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "kafkatrigger.labels" -}}
{{ include "kafkatrigger.selector" . }}
app.kubernetes.io/part-of: kafkatrigger
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The full name of an image: pass (list $ "operator"). */}}
{{- define "kafkatrigger.image" -}}
{{- $root := first . -}}
{{- $image := get $root.Values.images (last .) -}}
{{- $tag := $image.tag | default $root.Chart.AppVersion -}}
{{- $separator := ternary "@" ":" (hasPrefix "sha256:" $tag) -}}
{{- with $root.Values.imageRegistry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}{{ $separator }}{{ $tag }}
{{- end -}}

{{/*
What the operator calls, and why. Nothing else: a test runs the operator with exactly these rights.
*/}}
{{- define "kafkatrigger.rules" -}}
# Triggers are watched; their status is written, and the finalizer of those with spec.deletionPolicy DeleteGroup.
- apiGroups: [kafkatrigger.dev]
  resources: [kafkatriggers]
  verbs: [list, watch, patch]
- apiGroups: [kafkatrigger.dev]
  resources: [kafkatriggers/status]
  verbs: [patch]
# The objects of a trigger: applied (create and patch), watched, looked up before the first apply so that nobody else's
# object is taken over, and deleted when no longer wanted. Checkpoints are ConfigMaps too, read before they are written.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# Of triggers that run transformations: the account of their pods, bound to the one role that may read transformations.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [{{ ternary "roles" "clusterroles" (not (empty .Values.watchNamespaces)) }}]
  resourceNames: [{{ include "kafkatrigger.reader" . }}]
  verbs: [bind]
# Whether the transformation that a trigger names is there.
- apiGroups: [kafkatrigger.dev]
  resources: [transformations]
  verbs: [get]
# Why a pod is not ready; and its annotation of a stop, which all pods of a trigger have to know.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
# Events about triggers, counted up when they happen again.
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What the pods of a trigger may do that runs transformations, in its namespace. */}}
{{- define "kafkatrigger.readerRules" -}}
- apiGroups: [kafkatrigger.dev]
  resources: [transformations]
  verbs: [get, list, watch]
{{- end -}}
