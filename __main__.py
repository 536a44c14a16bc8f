from program.deploy import deploy

deploy()
