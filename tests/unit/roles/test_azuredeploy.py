# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Resource Manager template: what it deploys, against the definitions of Azure's API, as far as
that goes without Azure."""

from __future__ import annotations

import base64
import copy
import json
import os
import subprocess
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.tests.support import azure_template
from azure.mgmt import network
from azure.mgmt.compute import v2024_07_01 as compute
from azure.mgmt.network.operations import _operations

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
with open(
    os.path.join(ROOT, "roles/azure_ingestors/files/azuredeploy.json"), encoding="utf-8"
) as file:
    TEMPLATE: dict[str, Any] = json.load(file)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFEcC0h9Gkq2hZCvCYvGLWS3sTyqV4C4g0yq9Vb2nLw1 ingest"
GIVEN: dict[str, Any] = {
    "uniquename": "fleet",
    "sshKeyData": KEY,
    "vmCount": 3,
    "virtualNetworkResourceGroup": "net",
    "virtualNetworkName": "vnet",
    "virtualNetworkSubnetName": "clients",
}
BOOTSTRAP = {
    "nfsCommaSeparatedAddresses": "10.0.0.12,10.0.0.13",
    "nfsExportPath": "/ms'az ure",
    "bootstrapScriptPath": "/bootstrap/bootstrap.sh",
    "appEnvironmentVariables": "ENV1=foo ENV2=bar",
}
# The version of the API, and what a resource of that type is in the library made from it.
API = "2024-07-01"
CLASSES = {
    "Microsoft.Compute/virtualMachines": ("VirtualMachine", compute.models),
    "Microsoft.Compute/virtualMachines/extensions": ("VirtualMachineExtension", compute.models),
    "Microsoft.Network/networkInterfaces": ("NetworkInterface", network.models),
}
NOT_OF_THE_API = ("type", "apiVersion", "name", "dependsOn")


def resources(**more: Any) -> list[dict[str, Any]]:
    return azure_template.deploy(TEMPLATE, dict(GIVEN, **more)).resources


def problems(made: list[dict[str, Any]]) -> list[str]:
    found = []
    for resource in made:
        body = {key: value for key, value in resource.items() if key not in NOT_OF_THE_API}
        name, models = CLASSES[resource["type"]]
        found += azure_template.check(body, name, models, resource["name"])
    return found


def virtual_machine(**more: Any) -> dict[str, Any]:
    return next(r for r in resources(**more) if r["type"] == "Microsoft.Compute/virtualMachines")


@pytest.mark.parametrize("more", [{}, BOOTSTRAP, {"customData": "I2Nsb3VkLWNvbmZpZwo="}])
def test_every_property_is_one_of_the_api(more: dict[str, Any]) -> None:
    made = resources(**more)
    assert problems(made) == []
    assert {resource["apiVersion"] for resource in made} == {API}


def test_the_library_is_of_that_version() -> None:
    request = _operations.build_network_interfaces_create_or_update_request(
        "group", "card", "subscription"
    )
    assert request.url.endswith("?api-version=" + API)


def test_everything_declared_is_used() -> None:
    used = azure_template.deploy(TEMPLATE, dict(GIVEN, **BOOTSTRAP)).used
    declared = {("parameter", name) for name in TEMPLATE["parameters"]}
    declared |= {("variable", name) for name in TEMPLATE["variables"]}
    assert used == declared
    assert all(
        parameter["metadata"]["description"] for parameter in TEMPLATE["parameters"].values()
    )


def test_the_parameters_of_the_manual_are_there() -> None:
    assert set(TEMPLATE["parameters"]) >= {
        "uniquename",
        "adminUsername",
        "sshKeyData",
        "vmCount",
        "vmSize",
        "virtualNetworkResourceGroup",
        "virtualNetworkName",
        "virtualNetworkSubnetName",
        "nfsCommaSeparatedAddresses",
        "nfsExportPath",
        "nfsMountBaseDir",
        "bootstrapScriptPath",
        "appEnvironmentVariables",
    }
    assert set(TEMPLATE["outputs"]) == {"node_0_ip_address", "node_0_name", "vm_count", "vm_prefix"}
    assert TEMPLATE["parameters"]["appEnvironmentVariables"]["type"] == "securestring"


def test_names_and_dependencies() -> None:
    made = resources(**BOOTSTRAP)
    names = [resource["name"] for resource in made]
    assert names == [
        "vmnic-fleet-0",
        "vmnic-fleet-1",
        "vmnic-fleet-2",
        "vm-fleet-0",
        "vm-fleet-1",
        "vm-fleet-2",
        "vm-fleet-0/bootstrap",
        "vm-fleet-1/bootstrap",
        "vm-fleet-2/bootstrap",
    ]
    known = {f"/resourceGroups/own/providers/{r['type']}/{r['name']}" for r in made}
    for resource in made:
        assert set(resource.get("dependsOn", [])) <= known
    outputs = azure_template.deploy(TEMPLATE, GIVEN).outputs
    assert (outputs["vm_count"], outputs["vm_prefix"], outputs["node_0_name"]) == (
        3,
        "vm-fleet-",
        "vm-fleet-0",
    )


def test_keys_only_and_no_public_address() -> None:
    made = resources(**BOOTSTRAP)
    system = virtual_machine()["properties"]["osProfile"]
    assert system["linuxConfiguration"]["disablePasswordAuthentication"] is True
    assert system["linuxConfiguration"]["ssh"]["publicKeys"][0]["keyData"] == KEY
    assert "adminPassword" not in system
    assert system["customData"] is None
    assert "publicip" not in json.dumps(made).lower()
    assert "password" not in json.dumps(TEMPLATE["parameters"]).lower().replace("no password", "")
    subnet = made[0]["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"]
    assert (
        subnet
        == "/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/clients"
    )


def test_the_inventory_finds_them_by_their_tags() -> None:
    assert virtual_machine()["tags"] == {
        "scaleout_ingest": "ingestor",
        "scaleout_ingest_fleet": "fleet",
    }


def script() -> str:
    extension = resources(**BOOTSTRAP)[-1]
    assert set(extension["properties"]) & {"settings", "protectedSettings"} == {"protectedSettings"}
    return base64.b64decode(extension["properties"]["protectedSettings"]["script"]).decode()


def test_the_bootstrap_script_has_its_environment() -> None:
    head = script().partition("log=")[0]
    shown = (
        subprocess.run(
            ["sh", "-c", head + "env"],
            env={"PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            check=True,
        )
        .stdout.decode()
        .splitlines()
    )
    assert set(shown) >= {
        "BASE_DIR=/nfs",
        "NODE_PREFIX=vm-fleet",
        "NODE_COUNT=3",
        "NFS_IP_CSV=10.0.0.12,10.0.0.13",
        "NFS_PATH=/ms'az ure",
        "BOOTSTRAP_SCRIPT_PATH=/bootstrap/bootstrap.sh",
        "LINUX_USER=azureuser",
        "ENV1=foo",
        "ENV2=bar",
    }
    assert subprocess.run(["sh", "-n", "-c", script()], check=False).returncode == 0


def wrong(path: str, value: Any) -> dict[str, Any]:
    """A virtual machine with something else at a path."""
    made = copy.deepcopy(virtual_machine())
    place = made
    *way, last = path.split(".")
    for key in way:
        place = place[key]
    place[last] = value
    return made


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("properties.osProfil", {}, "vm-fleet-0: VirtualMachine has no properties.osProfil"),
        ("properties.vmId", "x", "vm-fleet-0: properties.vmId may not be set"),
        ("properties.storageProfile.osDisk.createOption", "New", "'New' is none of"),
        ("properties.storageProfile.osDisk", {}, "createOption is required"),
        (
            "properties.osProfile.linuxConfiguration.disablePasswordAuthentication",
            "true",
            "'true' is no bool",
        ),
    ],
)
def test_the_check_finds_mistakes(path: str, value: Any, problem: str) -> None:
    found = problems([wrong(path, value)])
    assert len(found) == 1
    assert problem in found[0]


def test_a_wrong_expression_is_found() -> None:
    broken = copy.deepcopy(TEMPLATE)
    broken["resources"][0]["location"] = "[parameters('region')]"
    with pytest.raises(azure_template.Wrong, match="parameter region is not declared"):
        azure_template.deploy(broken, GIVEN)
    with pytest.raises(azure_template.Wrong, match="parameter vmCount is out of bounds"):
        azure_template.deploy(TEMPLATE, dict(GIVEN, vmCount=0))
