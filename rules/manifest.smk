rule write_manifest:
    """What the studies made: checksums, code digests, package versions and hardware."""
    input:
        artefacts=[f"<results>/{artefact['path']}" for artefact in all_artefacts()],
    output:
        manifest="<results>/manifest.json",
    log:
        "<logs>/manifest.log",
    localrule: True
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_digest("scripts/write_manifest.py"),
        artefacts=as_json(all_artefacts()),
    message:
        "Write the manifest"
    shell:
        r"""
        python scripts/write_manifest.py \
            --results "$(dirname {output.manifest:q})" \
            --manifest {output.manifest:q} \
            >{log:q} 2>&1 <<<{params.artefacts:q}
        """
