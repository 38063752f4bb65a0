"""Transformations: components (Python code) and workflows (components and workflows, linked), as hetida designer has them.

model        what a revision is, in the form of the custom resource
hetida       revisions from exported JSON; `component_file` from one-file components; `header` is what both have
data         the data types: values from JSON; `results` to JSON
pandas_json  series and frames as pandas reads them; `usual` does so for most of them in a fraction of the time
plan         a revision as a list of steps, made once; `code` is what its components' code became
hdutils      what component code imports; `removed` are names that it knows from older libraries
wiring       which value goes to which input
provisioning inputs that adapters load, outputs that they send
execution    running a plan; `response` says what became of it

Exceptions: TransformationError
            ├── InvalidRequest           a message that does not say what is to run
            │   └── UnknownTransformation   of one that is not there, or may not be requested
            ├── InvalidTransformation    a revision that cannot be read, or not be planned
            ├── InvalidWiring            values for inputs that are not there, or none for those that need one
            ├── InvalidData              a value that is none of its input's type, a result that is no JSON
            ├── AdapterFailed            an adapter could not load or send
            └── ComponentFailed          the code of a component raised, or returned something else than its outputs
"""
