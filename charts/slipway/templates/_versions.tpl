{{- /*
The versions of Kubernetes that global.image.digests has all images of, as a JSON array; empty where no image has a
digest, which leaves the choice to the CRD. A version of which one image is missing is a mistake that would show late:
not before a tenant asks for it.
*/ -}}
{{- define "slipway.versions" -}}
{{- $digests := .Values.global.image.digests }}
{{- $parts := list "kube-apiserver" "kube-controller-manager" "kube-scheduler" "guest" }}
{{- $versions := list }}
{{- range $image, $digest := $digests }}
{{- if has (first (splitList ":" $image)) $parts }}
{{- $versions = append $versions (last (splitList ":" $image)) | uniq }}
{{- end }}
{{- end }}
{{- if $digests }}
{{- $images := list (printf "etcd:%s" (index .Values "cluster-operator" "tenants" "etcdTag")) }}
{{- if not $versions }}
{{- fail "global.image.digests has no version of Kubernetes: give digests of kube-apiserver:VERSION, kube-controller-manager:VERSION, kube-scheduler:VERSION and guest:VERSION, without a registry" }}
{{- end }}
{{- range $version := $versions }}
{{- range $parts }}
{{- $images = append $images (printf "%s:%s" . $version) }}
{{- end }}
{{- end }}
{{- range $images }}
{{- if not (hasKey $digests .) }}
{{- fail (printf "global.image.digests lacks %s: give the digest of every image, or of none" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- $versions | sortAlpha | toJson }}
{{- end }}
