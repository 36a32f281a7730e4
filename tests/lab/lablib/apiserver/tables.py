# SPDX-License-Identifier: Apache-2.0
"""Field numbers of the Kubernetes kinds the lab serves, as tables of text.

A line without indent names a message; the indented lines list its fields as `jsonName number type`.
Types: string int32 int64 bool bytes, Time MicroTime Quantity IntOrString, or a message.
  []T   repeated         {}T   map with string keys
  ?T    may be absent on the wire (a pointer in the API's types); every other scalar or message is
        always sent, empty or not, because that is what a real API server does and readers must cope
  @     in place of a name: the members of that message stand in the parent's JSON object

A field without a row (and a message nobody here needs, such as affinity) lives in JSON only.
"""

META = """
ListMeta
    selfLink 1 string, resourceVersion 2 string, continue 3 string, remainingItemCount 4 ?int64
ObjectMeta
    name 1 string, generateName 2 string, namespace 3 string, selfLink 4 string, uid 5 string,
    resourceVersion 6 string, generation 7 int64, creationTimestamp 8 Time,
    deletionTimestamp 9 ?Time, deletionGracePeriodSeconds 10 ?int64, labels 11 {}string,
    annotations 12 {}string, ownerReferences 13 []OwnerReference, finalizers 14 []string
OwnerReference
    apiVersion 5 string, kind 1 string, name 3 string, uid 4 string, controller 6 ?bool,
    blockOwnerDeletion 7 ?bool
LabelSelector
    matchLabels 1 {}string, matchExpressions 2 []LabelSelectorRequirement
LabelSelectorRequirement
    key 1 string, operator 2 string, values 3 []string
Condition
    type 1 string, status 2 string, observedGeneration 3 int64, lastTransitionTime 4 Time,
    reason 5 string, message 6 string
Status
    metadata 1 ListMeta, status 2 string, message 3 string, reason 4 string,
    details 5 ?StatusDetails, code 6 int32
StatusDetails
    name 1 string, group 2 string, kind 3 string, uid 6 string, causes 4 []StatusCause,
    retryAfterSeconds 5 int32
StatusCause
    reason 1 string, message 2 string, field 3 string
DeleteOptions
    gracePeriodSeconds 1 ?int64, preconditions 2 ?Preconditions, orphanDependents 3 ?bool,
    propagationPolicy 4 ?string, dryRun 5 []string,
    ignoreStoreReadErrorWithClusterBreakingPotential 6 ?bool
Preconditions
    uid 1 ?string, resourceVersion 2 ?string
"""

CORE = """
Node
    metadata 1 ObjectMeta, spec 2 NodeSpec, status 3 NodeStatus
NodeSpec
    podCIDR 1 string, podCIDRs 7 []string, providerID 3 string, unschedulable 4 bool,
    taints 5 []Taint, externalID 2 string
NodeStatus
    capacity 1 {}Quantity, allocatable 2 {}Quantity, phase 3 string, conditions 4 []NodeCondition,
    addresses 5 []NodeAddress, daemonEndpoints 6 NodeDaemonEndpoints, nodeInfo 7 NodeSystemInfo,
    images 8 []ContainerImage, volumesInUse 9 []string, volumesAttached 10 []AttachedVolume,
    declaredFeatures 14 []string
NodeAddress
    type 1 string, address 2 string
NodeCondition
    type 1 string, status 2 string, lastHeartbeatTime 3 Time, lastTransitionTime 4 Time,
    reason 5 string, message 6 string
NodeSystemInfo
    machineID 1 string, systemUUID 2 string, bootID 3 string, kernelVersion 4 string,
    osImage 5 string, containerRuntimeVersion 6 string, kubeletVersion 7 string,
    kubeProxyVersion 8 string, operatingSystem 9 string, architecture 10 string
NodeDaemonEndpoints
    kubeletEndpoint 1 DaemonEndpoint
DaemonEndpoint
    Port 1 int32
Taint
    key 1 string, value 2 string, effect 3 string, timeAdded 4 ?Time
ContainerImage
    names 1 []string, sizeBytes 2 int64
AttachedVolume
    name 1 string, devicePath 2 string
Service
    metadata 1 ObjectMeta, spec 2 ServiceSpec, status 3 ServiceStatus
ServiceSpec
    ports 1 []ServicePort, selector 2 {}string, clusterIP 3 string, clusterIPs 18 []string,
    type 4 string, externalIPs 5 []string, sessionAffinity 7 string, loadBalancerIP 8 string,
    loadBalancerSourceRanges 9 []string, externalName 10 string, externalTrafficPolicy 11 string,
    healthCheckNodePort 12 int32, publishNotReadyAddresses 13 bool,
    sessionAffinityConfig 14 ?SessionAffinityConfig, ipFamilies 19 []string,
    ipFamilyPolicy 17 ?string, allocateLoadBalancerNodePorts 20 ?bool,
    loadBalancerClass 21 ?string, internalTrafficPolicy 22 ?string, trafficDistribution 23 ?string
ServicePort
    name 1 string, protocol 2 string, appProtocol 6 ?string, port 3 int32,
    targetPort 4 IntOrString, nodePort 5 int32
ServiceStatus
    loadBalancer 1 LoadBalancerStatus, conditions 2 []Condition
LoadBalancerStatus
    ingress 1 []LoadBalancerIngress
LoadBalancerIngress
    ip 1 string, hostname 2 string, ipMode 3 ?string, ports 4 []PortStatus
PortStatus
    port 1 int32, protocol 2 string, error 3 ?string
SessionAffinityConfig
    clientIP 1 ?ClientIPConfig
ClientIPConfig
    timeoutSeconds 1 ?int32
Endpoints
    metadata 1 ObjectMeta, subsets 2 []EndpointSubset
EndpointSubset
    addresses 1 []EndpointAddress, notReadyAddresses 2 []EndpointAddress, ports 3 []EndpointPort
EndpointAddress
    ip 1 string, hostname 3 string, nodeName 4 ?string, targetRef 2 ?ObjectReference
EndpointPort
    name 1 string, port 2 int32, protocol 3 string, appProtocol 4 ?string
Namespace
    metadata 1 ObjectMeta, spec 2 NamespaceSpec, status 3 NamespaceStatus
NamespaceSpec
    finalizers 1 []string
NamespaceStatus
    phase 1 string, conditions 2 []NamespaceCondition
NamespaceCondition
    type 1 string, status 2 string, lastTransitionTime 4 Time, reason 5 string, message 6 string
Event
    metadata 1 ObjectMeta, involvedObject 2 ObjectReference, reason 3 string, message 4 string,
    source 5 EventSource, firstTimestamp 6 Time, lastTimestamp 7 Time, count 8 int32,
    type 9 string, eventTime 10 MicroTime, series 11 ?EventSeries, action 12 string,
    related 13 ?ObjectReference, reportingComponent 14 string, reportingInstance 15 string
EventSource
    component 1 string, host 2 string
EventSeries
    count 1 int32, lastObservedTime 2 MicroTime
ObjectReference
    kind 1 string, namespace 2 string, name 3 string, uid 4 string, apiVersion 5 string,
    resourceVersion 6 string, fieldPath 7 string
ServiceAccount
    metadata 1 ObjectMeta, secrets 2 []ObjectReference, imagePullSecrets 3 []LocalObjectReference,
    automountServiceAccountToken 4 ?bool
Secret
    metadata 1 ObjectMeta, immutable 5 ?bool, data 2 {}bytes, stringData 4 {}string, type 3 string
ConfigMap
    metadata 1 ObjectMeta, immutable 4 ?bool, data 2 {}string, binaryData 3 {}bytes
LocalObjectReference
    name 1 string
"""

POD = """
Pod
    metadata 1 ObjectMeta, spec 2 PodSpec, status 3 PodStatus
PodSpec
    volumes 1 []Volume, initContainers 20 []Container, containers 2 []Container,
    restartPolicy 3 string, terminationGracePeriodSeconds 4 ?int64,
    activeDeadlineSeconds 5 ?int64, dnsPolicy 6 string, nodeSelector 7 {}string,
    serviceAccountName 8 string, serviceAccount 9 string, automountServiceAccountToken 21 ?bool,
    nodeName 10 string, hostNetwork 11 bool, hostPID 12 bool, hostIPC 13 bool,
    shareProcessNamespace 27 ?bool, securityContext 14 ?PodSecurityContext,
    imagePullSecrets 15 []LocalObjectReference, hostname 16 string, subdomain 17 string,
    schedulerName 19 string, tolerations 22 []Toleration, hostAliases 23 []HostAlias,
    priorityClassName 24 string, priority 25 ?int32, readinessGates 28 []PodReadinessGate,
    runtimeClassName 29 ?string, enableServiceLinks 30 ?bool, preemptionPolicy 31 ?string,
    overhead 32 {}Quantity, setHostnameAsFQDN 35 ?bool, hostUsers 37 ?bool,
    resources 40 ?ResourceRequirements, hostnameOverride 41 ?string
PodStatus
    observedGeneration 17 int64, phase 1 string, conditions 2 []PodCondition, message 3 string,
    reason 4 string, nominatedNodeName 11 string, hostIP 5 string, hostIPs 16 []HostIP,
    podIP 6 string, podIPs 12 []PodIP, startTime 7 ?Time,
    initContainerStatuses 10 []ContainerStatus, containerStatuses 8 []ContainerStatus,
    qosClass 9 string, ephemeralContainerStatuses 13 []ContainerStatus, resize 14 string,
    allocatedResources 19 {}Quantity, resources 20 ?ResourceRequirements
PodIP
    ip 1 string
HostIP
    ip 1 string
PodCondition
    type 1 string, observedGeneration 7 int64, status 2 string, lastProbeTime 3 Time,
    lastTransitionTime 4 Time, reason 5 string, message 6 string
Container
    name 1 string, image 2 string, command 3 []string, args 4 []string, workingDir 5 string,
    ports 6 []ContainerPort, env 7 []EnvVar, resources 8 ResourceRequirements,
    restartPolicy 24 ?string, volumeMounts 9 []VolumeMount, livenessProbe 10 ?Probe,
    readinessProbe 11 ?Probe, startupProbe 22 ?Probe, terminationMessagePath 13 string,
    terminationMessagePolicy 20 string, imagePullPolicy 14 string,
    securityContext 15 ?SecurityContext, stdin 16 bool, stdinOnce 17 bool, tty 18 bool
ContainerPort
    name 1 string, hostPort 2 int32, containerPort 3 int32, protocol 4 string, hostIP 5 string
EnvVar
    name 1 string, value 2 string, valueFrom 3 ?EnvVarSource
EnvVarSource
    fieldRef 1 ?ObjectFieldSelector
ObjectFieldSelector
    apiVersion 1 string, fieldPath 2 string
ResourceRequirements
    limits 1 {}Quantity, requests 2 {}Quantity
VolumeMount
    name 1 string, readOnly 2 bool, recursiveReadOnly 7 ?string, mountPath 3 string,
    subPath 4 string, mountPropagation 5 ?string, subPathExpr 6 string,
    bindMountOptions 8 []string
Probe
    @ 1 ProbeHandler, initialDelaySeconds 2 int32, timeoutSeconds 3 int32, periodSeconds 4 int32,
    successThreshold 5 int32, failureThreshold 6 int32, terminationGracePeriodSeconds 7 ?int64
ProbeHandler
    exec 1 ?ExecAction, httpGet 2 ?HTTPGetAction, tcpSocket 3 ?TCPSocketAction
ExecAction
    command 1 []string
HTTPGetAction
    path 1 string, port 2 IntOrString, host 3 string, scheme 4 string, protocol 6 ?string
TCPSocketAction
    port 1 IntOrString, host 2 string
SecurityContext
    capabilities 1 ?Capabilities, privileged 2 ?bool, runAsUser 4 ?int64, runAsGroup 8 ?int64,
    runAsNonRoot 5 ?bool, readOnlyRootFilesystem 6 ?bool, allowPrivilegeEscalation 7 ?bool,
    procMount 9 ?string
Capabilities
    add 1 []string, drop 2 []string
ContainerStatus
    name 1 string, state 2 ContainerState, lastState 3 ContainerState, ready 4 bool,
    restartCount 5 int32, image 6 string, imageID 7 string, containerID 8 string, started 9 ?bool,
    allocatedResources 10 {}Quantity, resources 11 ?ResourceRequirements, stopSignal 15 ?string
ContainerState
    waiting 1 ?ContainerStateWaiting, running 2 ?ContainerStateRunning,
    terminated 3 ?ContainerStateTerminated
ContainerStateRunning
    startedAt 1 Time
ContainerStateWaiting
    reason 1 string, message 2 string
ContainerStateTerminated
    exitCode 1 int32, signal 2 int32, reason 3 string, message 4 string, startedAt 5 Time,
    finishedAt 6 Time, containerID 7 string
Volume
    name 1 string, @ 2 VolumeSource
VolumeSource
    hostPath 1 ?HostPathVolumeSource, emptyDir 2 ?EmptyDirVolumeSource,
    secret 6 ?SecretVolumeSource, configMap 19 ?ConfigMapVolumeSource
HostPathVolumeSource
    path 1 string, type 2 ?string
EmptyDirVolumeSource
    medium 1 string, sizeLimit 2 ?Quantity, mode 3 ?int32
ConfigMapVolumeSource
    @ 1 LocalObjectReference, items 2 []KeyToPath, defaultMode 3 ?int32, optional 4 ?bool,
    defaultUser 5 ?int64
SecretVolumeSource
    secretName 1 string, items 2 []KeyToPath, defaultMode 3 ?int32, optional 4 ?bool,
    defaultUser 5 ?int64
KeyToPath
    key 1 string, path 2 string, mode 3 ?int32, user 4 ?int64
Toleration
    key 1 string, operator 2 string, value 3 string, effect 4 string, tolerationSeconds 5 ?int64
PodReadinessGate
    conditionType 1 string
PodSecurityContext
    runAsUser 2 ?int64, runAsGroup 6 ?int64, runAsNonRoot 3 ?bool, supplementalGroups 4 []int64,
    supplementalGroupsPolicy 12 ?string, fsGroup 5 ?int64, fsGroupChangePolicy 9 ?string,
    seLinuxChangePolicy 13 ?string
HostAlias
    ip 1 string, hostnames 2 []string
LocalObjectReference
    name 1 string
"""

DISCOVERY = """
EndpointSlice
    metadata 1 ObjectMeta, addressType 4 string, endpoints 2 []Endpoint, ports 3 []EndpointPort
Endpoint
    addresses 1 []string, conditions 2 EndpointConditions, hostname 3 ?string,
    targetRef 4 ?ObjectReference, deprecatedTopology 5 {}string, nodeName 6 ?string,
    zone 7 ?string, hints 8 ?EndpointHints
EndpointConditions
    ready 1 ?bool, serving 2 ?bool, terminating 3 ?bool
EndpointHints
    forZones 1 []ForZone, forNodes 2 []ForNode
ForZone
    name 1 string
ForNode
    name 1 string
EndpointPort
    name 1 ?string, protocol 2 ?string, port 3 ?int32, appProtocol 4 ?string
"""

NETWORKING = """
NetworkPolicy
    metadata 1 ObjectMeta, spec 2 NetworkPolicySpec
NetworkPolicySpec
    podSelector 1 LabelSelector, ingress 2 []NetworkPolicyIngressRule,
    egress 3 []NetworkPolicyEgressRule, policyTypes 4 []string
NetworkPolicyIngressRule
    ports 1 []NetworkPolicyPort, from 2 []NetworkPolicyPeer
NetworkPolicyEgressRule
    ports 1 []NetworkPolicyPort, to 2 []NetworkPolicyPeer
NetworkPolicyPort
    protocol 1 ?string, port 2 ?IntOrString, endPort 3 ?int32
NetworkPolicyPeer
    podSelector 1 ?LabelSelector, namespaceSelector 2 ?LabelSelector, ipBlock 3 ?IPBlock
IPBlock
    cidr 1 string, except 2 []string
"""

COORDINATION = """
Lease
    metadata 1 ObjectMeta, spec 2 LeaseSpec
LeaseSpec
    holderIdentity 1 ?string, leaseDurationSeconds 2 ?int32, acquireTime 3 ?MicroTime,
    renewTime 4 ?MicroTime, leaseTransitions 5 ?int32, strategy 6 ?string,
    preferredHolder 7 ?string
"""
