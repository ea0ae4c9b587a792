"""The parts of this plugin, as specs: their code is imported only when it is used."""

from __future__ import annotations

from difftool import (
    CheckSpec,
    MetricSpec,
    ModalitySpec,
    RecipeSpec,
    RepresentationSpec,
    Spec,
    hookimpl,
)

RECIPES = {
    "tiny": "molecules of some twenty atoms in an hour on a CPU (about 1.4 M parameters)",
    "dit-tiny": (
        "as tiny, with the diffusion transformer on turned molecules (about 4 M parameters)"
    ),
    "dit-small": (
        "molecules of up to some fifty atoms with the diffusion transformer on one GPU "
        "(about 33 M parameters)"
    ),
    "demo": (
        "as tiny, on small organic molecules, rounder or longer as asked, stopped when most "
        "atoms are bonded well"
    ),
    "small": "molecules of up to some fifty atoms on one GPU (about 6 M parameters)",
    "qm9-edm": (
        "QM9 as in Hoogeboom et al. 2022 (arXiv:2203.17003): EGNN 9x256, polynomial "
        "schedule, 1000 levels"
    ),
}

CASCADES = {"hydrogens": "heavy atoms first, then their hydrogens"}


@hookimpl
def difftool_modalities() -> list[ModalitySpec]:
    return [
        ModalitySpec(
            "molecule",
            "molecules in three dimensions, of any size, from SDF, XYZ, PDB, SMILES or arrays",
            "difftool_molecule.modality:MoleculeModality",
            "difftool_molecule.options:MoleculeOptions",
            representations=("pointcloud",),
            recipe="tiny",
            request="difftool_molecule.options:MoleculeRequest",
            selection="difftool_molecule.options:MoleculeSelection",
            metrics=("stability", "validity", "distances", "geometry"),
            inspection="difftool_molecule.check:MoleculeInspection",
            facts="difftool_molecule.options:MoleculeFacts",
        )
    ]


@hookimpl
def difftool_representations() -> list[Spec]:
    return [
        RepresentationSpec(
            "pointcloud",
            "positions about their centre, elements and charges, in the scales of E(3) diffusion",
            "difftool_molecule.pointcloud:PointCloud",
            "difftool_molecule.options:PointCloudOptions",
            grid=False,
        )
    ]


@hookimpl
def difftool_backbones() -> list[Spec]:
    return [
        Spec(
            "egnn",
            "the E(n)-equivariant graph network, every atom seeing every other",
            "difftool_molecule.egnn:Egnn",
            "difftool_molecule.network_options:EgnnOptions",
        ),
        Spec(
            "dit-atoms",
            "diffusion transformer with atoms as tokens and distances as a bias of attention",
            "difftool_molecule.transformer:AtomTransformer",
            "difftool_molecule.network_options:AtomTransformerOptions",
        ),
    ]


@hookimpl
def difftool_bridges() -> list[Spec]:
    return [
        Spec(
            "hydrogens",
            "an earlier stage that makes the heavy atoms, whose hydrogens the stage adds",
            "difftool_molecule.hydrogens:Hydrogens",
            "difftool_molecule.options:HydrogensOptions",
        )
    ]


@hookimpl
def difftool_metrics() -> list[Spec]:
    return [
        Spec(
            "stability",
            "atoms and molecules whose bonds add up, by bond-length tables",
            "difftool_molecule.stability:Stability",
        ),
        Spec(
            "validity",
            "valid, unique and new molecules, by RDKit",
            "difftool_molecule.validity:Validity",
        ),
        MetricSpec(
            "geometry",
            "clashes, strain, and the checks of PoseBusters where it is installed",
            "difftool_molecule.geometry:Geometry",
        ),
        MetricSpec(
            "distances",
            "how far sizes, elements, bond lengths and extents are from the data's",
            "difftool_molecule.distances:Distances",
            distance="bond_lengths_w1",
        ),
    ]


@hookimpl
def difftool_recipes() -> list[RecipeSpec]:
    return [
        RecipeSpec(name, text, f"difftool_molecule:recipes/{name}.toml", modality="molecule")
        for name, text in RECIPES.items()
    ]


@hookimpl
def difftool_cascades() -> list[RecipeSpec]:
    return [
        RecipeSpec(name, text, f"difftool_molecule:cascades/{name}.toml", modality="molecule")
        for name, text in CASCADES.items()
    ]


@hookimpl
def difftool_checks() -> list[CheckSpec]:
    return [
        CheckSpec(
            "geometry",
            "positions in another unit than angstrom, clashes",
            "difftool_molecule.doctor:Geometry",
            modalities=("molecule",),
        )
    ]
