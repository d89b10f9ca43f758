"""`spec.exposure`: how people and scanners reach the application."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from .model import ApiModel, Enumeration, Rule, rules


class ServiceType(Enumeration):
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class TLSSpec(ApiModel):
    """The certificate that the Ingress serves."""

    secret_name: str = Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        description="Secret of type kubernetes.io/tls with the certificate for spec.exposure.host.",
    )


class ServiceSpec(ApiModel):
    """The Service in front of the application's pods (port 80)."""

    type: ServiceType = Field(
        default=ServiceType.CLUSTER_IP,
        description="ClusterIP: inside the cluster only. NodePort: a port of every node. LoadBalancer: one of "
        "the cloud.",
    )
    node_port: int | None = Field(
        default=None,
        ge=30000,
        le=32767,
        description="Port of the nodes, with type NodePort. Absent: Kubernetes picks one.",
    )
    annotations: dict[str, str] | None = Field(
        default=None, max_length=50, description="Annotations of the Service, for load balancer controllers."
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.nodePort) || self.type == 'NodePort'",
                "spec.exposure.service.nodePort applies to type NodePort only: remove it, or set type to NodePort",
                ".nodePort",
            ),
        )
    )


TrustedProxy = Annotated[str, StringConstraints(min_length=2, max_length=43, pattern=r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?$")]


class ExposureSpec(ApiModel):
    """A Service always; an Ingress as well when `host` is given."""

    host: str | None = Field(
        default=None,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        description="DNS name that the Ingress answers to. Absent: no Ingress.",
    )
    ingress_class_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="IngressClass of the Ingress. Absent: the cluster's default class.",
    )
    tls: TLSSpec | None = Field(default=None, description="HTTPS at the Ingress. Absent: plain HTTP.")
    service: ServiceSpec = Field(default=ServiceSpec(), description="The Service in front of the application's pods.")
    annotations: dict[str, str] | None = Field(
        default=None, max_length=50, description="Annotations of the Ingress, for ingress controllers and cert-manager."
    )

    trusted_proxies: list[TrustedProxy] | None = Field(
        default=None,
        max_length=50,
        description="Addresses or networks (CIDR) of ingress controllers and load balancers, whose X-Forwarded-For and "
        "X-Forwarded-Proto are believed: by them log-in attempts are counted per client and cookies kept to HTTPS. "
        "Absent: the private networks (RFC 1918, RFC 6598) with a host and a Service of type ClusterIP, else none.",
    )

    @property
    def address(self) -> str | None:
        """What people open, without a path; None without a host."""
        return None if self.host is None else f"{'https' if self.tls else 'http'}://{self.host}"

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.tls) || has(self.host)",
                "spec.exposure.tls needs spec.exposure.host, the name its certificate is for: add host or remove tls",
                ".tls",
            ),
            Rule(
                "has(self.host) || !(has(self.ingressClassName) || has(self.annotations))",
                "spec.exposure.ingressClassName and annotations need spec.exposure.host, without which there is "
                "no Ingress: "
                "add host or remove them",
            ),
        )
    )
