@echo off
rem Opens the course with the first Python here that fits this bundle. README.txt says more.
cd /d "%~dp0"
for %%V in (3.14 3.13 3.12 3.11) do (
    py -%%V -I start.py --fits >nul 2>nul && (
        py -%%V -I start.py %*
        goto end
    )
)
python -I start.py --fits >nul 2>nul && (
    python -I start.py %*
    goto end
)
echo No Python here fits this bundle. README.txt says which one it needs.
:end
pause
