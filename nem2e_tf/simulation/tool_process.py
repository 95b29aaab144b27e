"""One run of one of OpenSim's tools, in a process of its own; started by
`opensim_tools.run_process`.

The tools print, log and leave files in the working folder, and an optimiser can crash the
interpreter. None of that affects the process that started this one. It runs as a file and imports
nothing of this package.
"""

import json
import sys
from pathlib import Path
from typing import Any

import opensim


def run_static_optimisation(task: dict[str, Any]) -> None:
    """OpenSim's static optimisation; writes `tool_StaticOptimization_{activation,force}.sto`."""
    analysis = opensim.StaticOptimization()
    analysis.setName("StaticOptimization")
    analysis.setStartTime(task["start"])
    analysis.setEndTime(task["end"])
    analysis.setUseModelForceSet(True)
    analysis.setUseMusclePhysiology(True)
    analysis.setActivationExponent(2.0)
    analysis.setConvergenceCriterion(task["tolerance"])
    analysis.setMaxIterations(task["iterations"])
    analysis.setStepInterval(1)
    tool = opensim.AnalyzeTool()
    tool.setName("tool")
    tool.setModelFilename(task["model"])
    tool.setCoordinatesFileName(task["coordinates"])
    tool.setLowpassCutoffFrequency(-1.0)
    tool.setExternalLoadsFileName(task["loads"])
    tool.setInitialTime(task["start"])
    tool.setFinalTime(task["end"])
    tool.setSolveForEquilibrium(False)
    tool.setResultsDir(".")
    tool.updAnalysisSet().cloneAndAppend(analysis)
    # Only a tool that is read from its file loads model and motion by itself.
    tool.printToXML("tool.xml")
    if not opensim.AnalyzeTool("tool.xml").run():
        sys.exit("the tool stopped")


def run_moco(task: dict[str, Any]) -> None:
    """MocoInverse; writes `solution.sto`."""
    processor = opensim.ModelProcessor(task["model"])
    processor.append(opensim.ModOpAddExternalLoads(task["loads"]))
    processor.append(opensim.ModOpIgnoreTendonCompliance())
    processor.append(opensim.ModOpReplaceMusclesWithDeGrooteFregly2016())
    processor.append(opensim.ModOpIgnorePassiveFiberForcesDGF())
    processor.append(opensim.ModOpScaleActiveFiberForceCurveWidthDGF(task["width"]))
    kinematics = opensim.TableProcessor(task["coordinates"])
    kinematics.append(opensim.TabOpUseAbsoluteStateNames())
    inverse = opensim.MocoInverse()
    inverse.setModel(processor)
    inverse.setKinematics(kinematics)
    inverse.set_initial_time(task["start"])
    inverse.set_final_time(task["end"])
    inverse.set_mesh_interval(task["mesh_interval"])
    inverse.set_convergence_tolerance(task["tolerance"])
    inverse.set_constraint_tolerance(task["tolerance"])
    inverse.set_max_iterations(task["iterations"])
    # The solution exists only as long as the object that `solve` returns.
    solved = inverse.solve()
    solution = solved.getMocoSolution()
    if not solution.success():
        sys.exit(f"the optimiser ended with {solution.getStatus()}")
    solution.write("solution.sto")


def run_computed_muscle_control(task: dict[str, Any]) -> None:
    """Computed muscle control; writes `tool_states.sto` and `tool_Actuation_force.sto`."""
    model = opensim.Model(task["model"])
    state = model.initSystem()
    tasks = opensim.CMC_TaskSet()
    coordinates = model.getCoordinateSet()
    for i in range(coordinates.getSize()):
        coordinate = coordinates.get(i)
        if coordinate.isConstrained(state):
            continue
        joint = opensim.CMC_Joint()
        joint.setName(coordinate.getName())
        joint.setCoordinateName(coordinate.getName())
        joint.setWeight(1.0)
        # Critically damped: kv = 2 sqrt(kp), as in OpenSim's examples.
        joint.setKP(100.0)
        joint.setKV(20.0)
        joint.setActive(True, False, False)
        tasks.cloneAndAppend(joint)
    tasks.printToXML("tasks.xml")
    tool = opensim.CMCTool()
    tool.setName("tool")
    tool.setModelFilename(task["model"])
    tool.setDesiredKinematicsFileName(task["coordinates"])
    tool.setLowpassCutoffFrequency(-1.0)
    tool.setTaskSetFileName("tasks.xml")
    tool.setExternalLoadsFileName(task["loads"])
    tool.setInitialTime(task["start"])
    tool.setFinalTime(task["end"])
    tool.setTimeWindow(task["window"])
    tool.setUseFastTarget(True)
    tool.setMaximumNumberOfSteps(20000)
    tool.setMaxDT(task["window"])
    tool.setResultsDir(".")
    for analysis in (opensim.Actuation(), opensim.StatesReporter()):
        # The tool's own states file has a broken row of names.
        analysis.setName(analysis.getConcreteClassName())
        tool.updAnalysisSet().cloneAndAppend(analysis)
    tool.printToXML("tool.xml")
    if not opensim.CMCTool("tool.xml").run():
        sys.exit("the tool stopped")
    for name in ("tool_StatesReporter_states.sto", "tool_Actuation_force.sto"):
        _remove_doubled_rows(Path(name))


def _remove_doubled_rows(path: Path) -> None:
    """Rewrite a storage file with one row for each time: the tool reports its last step twice."""
    head, rows = path.read_text(encoding="utf-8").split("endheader\n", 1)
    names, *lines = rows.splitlines()
    by_time = {line.split(None, 1)[0]: line for line in lines if line.strip()}
    kept = [line for line in head.splitlines() if not line.startswith("nRows")]
    text = "\n".join([*kept, "endheader", names, *by_time.values()])
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def run_scaling(task: dict[str, Any]) -> None:
    """ScaleTool by `tool.xml`, then inverse kinematics of `scaled.osim`; writes `pose.mot`.

    At the tool's own accuracy (1e-5) inverse kinematics stops millimetres before the best pose;
    marker placement has the same error, and its accuracy cannot be set.
    """
    # Its return value is ignored: without marker placement it succeeds and returns failure.
    opensim.ScaleTool("tool.xml").run()
    for output in task["outputs"]:
        if not Path(output).exists():
            sys.exit(f"the tool stopped before it wrote {output}")
    model = opensim.Model("scaled.osim")
    kinematics = opensim.InverseKinematicsTool()
    kinematics.setModel(model)
    kinematics.setMarkerDataFileName(task["markers"])
    kinematics.set_accuracy(task["accuracy"])
    kinematics.setStartTime(0.0)
    kinematics.setEndTime(0.0)
    for name, weight in task["weights"].items():
        marker = opensim.IKMarkerTask()
        marker.setName(name)
        marker.setWeight(weight)
        kinematics.upd_IKTaskSet().cloneAndAppend(marker)
    kinematics.set_report_errors(True)
    kinematics.setOutputMotionFileName("pose.mot")
    if not kinematics.run():
        sys.exit("inverse kinematics stopped")


RUNS = {
    "opensim": run_static_optimisation,
    "moco": run_moco,
    "cmc": run_computed_muscle_control,
    "scale": run_scaling,
}

if __name__ == "__main__":
    opensim.Logger.removeFileSink()
    opensim.Logger.setLevelString("Info")
    description = json.loads(Path("task.json").read_text(encoding="utf-8"))
    RUNS[description["run"]](description)
