"""What MLflow loads for a logged release (it runs this file)."""

from mlflow.models import set_model

from deepfake_pipeline.pipelines.release.pyfunc import ForgeryScorer

set_model(ForgeryScorer())
