# Stage 1 installs into a venv, stage 2 carries only that and the source. Default: CPU. For CUDA: --build-arg TORCH_INDEX=https://pypi.org/simple
FROM python:3.11-slim AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX" --no-deps "$(grep ^torch== requirements.txt)" \
    && /venv/bin/pip install --no-cache-dir -r requirements.txt

FROM python:3.11-slim
RUN useradd --create-home --uid 1000 codi && mkdir -p /data/hub /data/cache && chown -R codi:codi /data
COPY --from=build /venv /venv
WORKDIR /app
COPY . .
USER codi
# /data keeps what is downloaded and made; the bundled model is part of the image, so the first start needs no network
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_WAIT_POLICY=PASSIVE \
    HOST=0.0.0.0 PORT=8501 HF_HOME=/data/hub CODI_CACHE_DIR=/data/cache CODI_MODEL=bundled
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 \
    CMD python -c "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/_stcore/health', timeout=10)"
CMD ["sh", "-c", "exec streamlit run server.py --server.address \"$HOST\" --server.port \"$PORT\""]
