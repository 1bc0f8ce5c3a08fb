"""A run's OpenLineage events: what was read, what was written, by which steps. Rows carry their own lineage.

Events go to ``.imagemill/lineage/events.jsonl``, or where OpenLineage's own configuration says (``OPENLINEAGE_URL``,
``OPENLINEAGE_CONFIG``, ``openlineage.yml``); ``OPENLINEAGE_DISABLED=true`` sends none.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.errors import RequestError
from tasks.operation import library_version
from tasks.store.local import Store, whole

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent

NAMESPACE = "imagemill"
PRODUCER = "https://pypi.org/project/imagemill"
FILE = "lineage/events.jsonl"
OF_THE_NAME = frozenset({"id", "split", "source", "copy"})  # columns that follow from a source's URI
OF_THE_LISTING = {"label": "label", "labels": "label", "objects": "annotations", "mask": "mask"}

log = logging.getLogger(__name__)


@dataclass
class Lineage:
    """The events of one run of the pipeline ``name``, read from ``source`` (without credentials).

    ``run_id`` is the flow run's, ``parent`` that of the flow run that started it. A run that finds nothing to do never
    starts, and sends nothing.
    """

    store: Store
    name: str
    pipeline: Mapping[str, Any]
    source: str
    run_id: UUID
    parent: UUID | None = None
    sources: int | None = None
    started: bool = False
    lost: int = 0  # events that could not be sent
    _client: OpenLineageClient | None = field(default=None, repr=False)

    def start(self) -> None:
        """Say that the run has begun."""
        self.started = True
        self._emit("START", self.run_id, self.name, inputs=[self._input()])

    def running(self) -> None:
        """Say that the run is under way: its workers are there."""
        self._emit("RUNNING", self.run_id, self.name, inputs=[self._input()])

    def complete(self, version: Mapping[str, Any], schemas: Mapping[str, pa.Schema]) -> None:
        """Say that a version was committed, with what it holds; nothing where there was nothing to do."""
        if not self.started:
            return
        outputs = [self._output(name, version, schemas[name]) for name in version["outputs"]]
        self._emit("COMPLETE", self.run_id, self.name, inputs=[self._input(version)], outputs=outputs)

    def fail(self, error: BaseException) -> None:
        """Say that the run has failed, and why; of a request that was wrong from the start, nothing."""
        if not self.started and not isinstance(error, RequestError):
            self.start()
        if self.started:
            self._emit("FAIL", self.run_id, self.name, error=error)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Send the events of one stage: a run of its own whose parent is the run."""
        if not self.started:
            yield
            return
        run, job = uuid5(self.run_id, name), f"{self.name}.{name.replace(' ', '_')}"
        self._emit("START", run, job, within=self.run_id)
        try:
            yield
        except BaseException as error:
            self._emit("FAIL", run, job, within=self.run_id, error=error)
            raise
        self._emit("COMPLETE", run, job, within=self.run_id)

    def _emit(
        self,
        state: str,
        run: UUID,
        job: str,
        *,
        within: UUID | None = None,
        error: BaseException | None = None,
        inputs: Sequence[InputDataset] = (),
        outputs: Sequence[OutputDataset] = (),
    ) -> None:
        """Send one event. Lineage that cannot be delivered fails no run: it is counted, and told in the log."""
        event = self._event(state, run, job, within or self.parent, error, inputs, outputs)
        try:
            self._client = self._client or client(self.store)
            self._client.emit(event)
        except Exception as trouble:  # noqa: BLE001 - transports, also users' own, raise what they like
            self.lost += 1
            log.warning("OpenLineage: the event %s of %s could not be sent: %s", state, job, trouble)

    def _event(
        self,
        state: str,
        run: UUID,
        job: str,
        within: UUID | None,
        error: BaseException | None,
        inputs: Sequence[InputDataset],
        outputs: Sequence[OutputDataset],
    ) -> RunEvent:
        from openlineage.client import event_v2 as ol
        from openlineage.client import facet_v2 as facets

        about: dict[str, Any] = {
            "processing_engine": facets.processing_engine_run.ProcessingEngineRunFacet(
                version=library_version("imagemill"), name="imagemill"
            )
        }
        if within is not None:
            above = facets.parent_run
            ours = within == self.run_id
            job_above = above.Job(NAMESPACE if ours else "prefect", self.name if ours else "flow-run")
            about["parent"] = above.ParentRunFacet(run=above.Run(runId=str(within)), job=job_above)
        if error is not None:
            about["errorMessage"] = facets.error_message_run.ErrorMessageRunFacet(
                message=str(error) or type(error).__name__, programmingLanguage="python"
            )
        described: dict[str, Any] = {
            "jobType": facets.job_type_job.JobTypeJobFacet(
                processingType="BATCH", integration="IMAGEMILL", jobType="PIPELINE" if run == self.run_id else "STAGE"
            )
        }
        if self.pipeline.get("description"):
            documented = facets.documentation_job.DocumentationJobFacet(description=self.pipeline["description"])
            described["documentation"] = documented
        return ol.RunEvent(
            eventTime=datetime.now(UTC).isoformat(),
            eventType=ol.RunState[state],
            run=ol.Run(runId=str(run), facets=about),
            job=ol.Job(namespace=NAMESPACE, name=job, facets=described),
            producer=producer(),
            inputs=list(inputs),
            outputs=list(outputs),
        )

    def _input(self, version: Mapping[str, Any] | None = None) -> InputDataset:
        """Give the source as a dataset, with its measures once they are known."""
        from openlineage.client import event_v2 as ol
        from openlineage.client import facet_v2 as facets

        quality = facets.data_quality_metrics_input_dataset
        namespace, name = place(self.source)
        metrics = {} if version is None else self._metrics(version)
        size = None if version is None else int(metrics.pop("bytes").sum or 0)
        rows = self.sources if version is None else version["counts"]["listed"]
        known = quality.DataQualityMetricsInputDatasetFacet(
            columnMetrics=metrics, rowCount=rows, bytes=size, fileCount=self.sources
        )
        return ol.InputDataset(namespace=namespace, name=name, inputFacets={"dataQualityMetrics": known})

    def _metrics(self, version: Mapping[str, Any]) -> dict[str, Any]:
        """Give count, sum, least and largest of each measure, added up in the order of the files."""
        from openlineage.client import facet_v2 as facets

        files, schema = version["measures"], pa.schema({"bytes": pa.int64()})
        if files:
            with whole(self.store.path(files[0]["object"])) as path:
                schema = pq.read_schema(path)
        scores = [f.name for f in schema if pa.types.is_floating(f.type) and "." not in f.name]
        names = ["bytes", *scores]
        tables = [self.store.table(entry, names) for entry in files]
        found = {}
        for name in names:
            chunks = [chunk for table in tables for chunk in table.column(name).chunks]
            values = pa.chunked_array(chunks, schema.field(name).type)
            ends = pc.min_max(values).as_py()
            found[name] = facets.data_quality_metrics_input_dataset.ColumnMetrics(
                nullCount=values.null_count,
                count=len(values) - values.null_count,
                sum=pc.sum(values).as_py(),
                min=ends["min"],
                max=ends["max"],
            )
        return found

    def _output(self, name: str, version: Mapping[str, Any], schema: pa.Schema) -> OutputDataset:
        """Give an output as a dataset: its version, columns, where they come from, how much it holds."""
        from openlineage.client import event_v2 as ol
        from openlineage.client import facet_v2 as facets

        files = [entry for entry in version["files"] if entry["output"] == name]
        folder = files[0]["path"].split("/", 1)[0] if files else name
        location = self.store.location
        root = location if "://" in location else self.store.root.absolute()
        namespace, path = place(f"{root}/{folder}")
        listed = facets.schema_dataset
        columns = [listed.SchemaDatasetFacetFields(name=f.name, type=str(f.type)) for f in schema]
        return ol.OutputDataset(
            namespace=namespace,
            name=path,
            facets={
                "version": facets.dataset_version_dataset.DatasetVersionDatasetFacet(
                    datasetVersion=str(version["version"])
                ),
                "schema": listed.SchemaDatasetFacet(fields=columns),
                "columnLineage": self._columns(name, schema),
            },
            outputFacets={
                "outputStatistics": facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                    rowCount=sum(entry["rows"] for entry in files),
                    size=sum(entry["bytes"] for entry in files),
                    fileCount=len(files),
                )
            },
        )

    def _columns(self, output: str, schema: pa.Schema) -> Any:
        """Say of each column what of a source it is made of: its name, its bytes, or what the listing says of it."""
        from openlineage.client import facet_v2 as facets

        lineage = facets.column_lineage_dataset
        namespace, name = place(self.source)
        steps = ", ".join(step["id"] for step in self.pipeline["steps"])
        fields = {}
        for column in schema.names:
            of = "uri" if column in OF_THE_NAME else OF_THE_LISTING.get(column, "bytes")
            way = lineage.Transformation(
                type="DIRECT",
                subtype="IDENTITY" if of == "label" else "TRANSFORMATION",
                description=f"steps: {steps}" if of == "bytes" else "",
                masking=False,
            )
            read = lineage.InputField(namespace=namespace, name=name, field=of, transformations=[way])
            fields[column] = lineage.Fields(inputFields=[read])
        return lineage.ColumnLineageDatasetFacet(fields=fields)


def client(store: Store) -> OpenLineageClient:
    """Give the client that OpenLineage's configuration asks for, else one that appends to the dataset's own file."""
    from openlineage.client import OpenLineageClient, set_producer
    from openlineage.client.transport.file import FileConfig, FileTransport

    set_producer(producer())
    if is_configured():
        return OpenLineageClient()
    path = store.path(FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    return OpenLineageClient(transport=FileTransport(FileConfig(log_file_path=str(path), append=True)))


def producer() -> str:
    """Name imagemill and its version, as OpenLineage wants it: a URI."""
    return f"{PRODUCER}/{library_version('imagemill')}"


def is_configured() -> bool:
    """Say whether OpenLineage's standard configuration names a transport."""
    named = any(name.startswith(("OPENLINEAGE__TRANSPORT", "OPENLINEAGE_URL")) for name in os.environ)
    files = (os.environ.get("OPENLINEAGE_CONFIG"), "openlineage.yml", Path.home() / ".openlineage" / "openlineage.yml")
    return named or any(path and Path(path).is_file() for path in files)


def place(path: str) -> tuple[str, str]:
    """Give a file's or folder's namespace and name as OpenLineage writes them: ``file``, or scheme and bucket."""
    if "://" not in path:
        return "file", path
    scheme, _, rest = path.partition("://")
    bucket, _, name = rest.partition("/")
    return f"{scheme}://{bucket}", name or "/"


def events(store: Store) -> list[dict[str, Any]]:
    """Read the events in the dataset's own file, oldest first."""
    path = store.path(FILE)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []
