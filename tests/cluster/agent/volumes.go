package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

// The provisioner that the storage class "standard" names.
const (
	provisioner           = domain + "disk"
	annotationProvisioner = "volume.kubernetes.io/storage-provisioner"
	annotationMadeBy      = "pv.kubernetes.io/provisioned-by"
)

// syncClaim makes a volume for a claim that waits for our provisioner; the controller manager binds the two.
func (a *agent) syncClaim(ctx context.Context, key string) (time.Duration, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return 0, nil
	}
	c, err := a.claims.PersistentVolumeClaims(namespace).Get(name)
	if err != nil || c.Annotations[annotationProvisioner] != provisioner || c.Spec.VolumeName != "" || c.DeletionTimestamp != nil {
		return 0, nil
	}
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pvc-" + string(c.UID), Annotations: map[string]string{annotationMadeBy: provisioner}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: corev1.ResourceList{corev1.ResourceStorage: c.Spec.Resources.Requests[corev1.ResourceStorage]}, AccessModes: c.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete, StorageClassName: ptr.Deref(c.Spec.StorageClassName, ""), VolumeMode: c.Spec.VolumeMode,
			ClaimRef:               &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: c.Namespace, Name: c.Name, UID: c.UID},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "disk.sim.kube-mcp.dev", VolumeHandle: "vol-" + string(c.UID)}},
		},
	}
	_, err = a.client.CoreV1().PersistentVolumes().Create(ctx, pv, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		err = nil
	}
	return 0, err
}

// syncVolume removes a volume of ours once its claim is gone.
func (a *agent) syncVolume(ctx context.Context, name string) (time.Duration, error) {
	pv, err := a.volumes.Get(name)
	if err != nil || pv.Annotations[annotationMadeBy] != provisioner || pv.Status.Phase != corev1.VolumeReleased || pv.DeletionTimestamp != nil {
		return 0, nil
	}
	err = a.client.CoreV1().PersistentVolumes().Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		err = nil
	}
	return 0, err
}
