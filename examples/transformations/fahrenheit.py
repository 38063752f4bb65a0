"""# Degrees Fahrenheit

From degrees Celsius.
"""

COMPONENT_INFO = {
    "name": "Fahrenheit",
    "category": "Units",
    "description": "Converts temperatures",
    "version_tag": "1.0.0",
    "id": "3c1d7f0e-58a4-4c67-9f0b-2f8f6f3a9b11",
    "revision_group_id": "a7e0c1de-6d0c-4f0e-8a53-70a1f2a4f7c2",
    "state": "RELEASED",
    "released_timestamp": "2026-11-21T00:00:00+00:00",
    "inputs": {"celsius": {"data_type": "SERIES"}},
    "outputs": {"fahrenheit": {"data_type": "SERIES"}},
}


def main(*, celsius):
    return {"fahrenheit": celsius * 9 / 5 + 32}


TEST_WIRING_FROM_PY_FILE_IMPORT = {
    "input_wirings": [
        {
            "workflow_input_name": "celsius",
            "adapter_id": "direct_provisioning",
            "filters": {"value": '{"2026-11-21T00:00:00Z": 20.0, "2026-11-21T01:00:00Z": 25.0}'},
        }
    ]
}
